"""The bucket of the demo: an S3 server in which time can be moved, and a year of history in it.

usage: bucket.py DIRECTORY    Says one line of JSON when the bucket is ready: {"port", "march", "inventory"}.
                              Serves it until the end of standard input. DIRECTORY is for scratch files.
"""

import base64
import calendar
import datetime
import json
import os
import random
import subprocess
import sys

import moto.s3.models
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

HERE = os.path.dirname(os.path.abspath(__file__))
UTC = datetime.timezone.utc
BUCKET = "reef-survey"

now = datetime.datetime.now(UTC).replace(microsecond=0)
clock = now


# moto asks the time where it dates a version; nothing else of this process is told a wrong one.
moto.s3.models.utcnow = lambda: clock.replace(tzinfo=None)


class Admin:
    """s3admin.py, which makes buckets and inventories."""

    def __init__(self, port):
        script = f"{HERE}/../Testbed/servers/s3admin.py"
        self.process = subprocess.Popen(
            [sys.executable, script, f"http://127.0.0.1:{port}", "demo", "demo"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("s3admin.py ended; its errors stand above")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def __call__(self, do, **arguments):
        self.process.stdin.write(json.dumps({"do": do, "bucket": BUCKET, **arguments}) + "\n")
        self.process.stdin.flush()
        return self.answer()


def body(content):
    return base64.b64encode(content if isinstance(content, bytes) else content.encode()).decode()


def chunk(seed, size=400):
    """A chunk of a Zarr array: numbers, as good as any."""
    return random.Random(seed).randbytes(size)


def last_march(today):
    """The first of the latest March that is over."""
    year = today.year if today.month > 3 else today.year - 1
    return datetime.datetime(year, 3, 1, tzinfo=UTC)


def history(march):
    """Everything that happened, as (when, what, arguments), in order."""
    after = datetime.datetime(march.year, 4, 1, tzinfo=UTC)

    def on(months_before, day, hour=9, minute=0):
        month = march.month - 1 - months_before
        year, month = march.year + month // 12, month % 12 + 1
        return datetime.datetime(year, month, min(day, calendar.monthrange(year, month)[1]), hour, minute, tzinfo=UTC)

    def since(share):
        """A time between the end of March and now."""
        return (after + (now - after) * share).replace(microsecond=0)

    events = []

    def put(at, key, content, **more):
        events.append((at, "put", {"key": key, "body": body(content), **more}))

    def delete(at, key):
        events.append((at, "delete", {"key": key}))

    put(on(5, 3), "README.md", "# Reef survey\n\nWater temperatures and corals of six sites. Sampling begins this month.\n")
    put(on(5, 3, 9, 10), "temperature.zarr/.zgroup", '{"zarr_format": 2}\n')
    put(on(5, 3, 9, 11), "temperature.zarr/celsius/.zarray",
        '{"chunks": [10, 10], "dtype": "<f4", "shape": [60, 10], "zarr_format": 2}\n')
    for month in range(6):
        # One chunk a month, from October to March, and its depth profile.
        put(on(5 - month, 28, 18), f"temperature.zarr/celsius/{month}.0", chunk(month))
    put(on(4, 12), "photos/transect-07.tiff", chunk("photo", 12 << 20), partSize=8 << 20,
        contentType="image/tiff", metadata={"camera": "Nauticam 5"})
    put(on(2, 15), "notes", "Field notes. One file is enough for now.\n")
    put(on(1, 10), "bleaching.csv", "site,date,bleached\nA,02-08,3%\nB,02-08,4%\nC,02-09,2%\n")
    put(on(0, 9, 14, 30), "bleaching.csv", "site,date,bleached\nA,03-08,11%\nB,03-08,19%\nC,03-09,8%\nD,03-09,23%\n")
    put(on(0, 12, 8), "README.md",
        "# Reef survey\n\nWater temperatures and corals of six sites.\n"
        "The March counts are in bleaching.csv: sites B and D bleach fast.\n")

    # And then it changed.
    put(since(0.10), "temperature.zarr/celsius/5.0", chunk("recalibrated"))
    delete(since(0.20), "notes")
    put(since(0.21), "notes/sites.md", "Sites A to D: see the paper.\n")
    put(since(0.35), "notes/moorings.md", "Storm. Mooring B is lost.\n")
    put(since(0.45), "paper/reef.pdf", chunk("pdf", 50_000))
    delete(since(0.50), "bleaching.csv")
    put(since(0.51), "README.md",
        "# Reef survey\n\nWater temperatures of six sites. The counts of corals moved to the paper.\n")
    put(since(0.70), "temperature.zarr/celsius/6.0", chunk(6))
    put(since(0.90), "paper/reef.pdf", chunk("proofs", 52_000))
    return sorted(events, key=lambda event: event[0])


def main():
    global clock
    directory = sys.argv[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    admin = Admin(port)
    march = last_march(now)

    admin("create_bucket", bucket=f"{BUCKET}-inventory", versioned=False)
    admin("create_bucket")

    def inventory(taken):
        return admin(
            "make_inventory", directory=f"{directory}/inventory", name=taken.strftime("%Y-%m-%dT%H-%MZ"),
            destination=f"{BUCKET}-inventory", destinationPrefix="inventory")

    # Inventories of the last nights of March and of the month after, and one of today.
    nights = [march.replace(day=28, hour=1), march.replace(month=4, day=2, hour=1)]
    for at, do, arguments in history(march):
        while nights and nights[0] < at:
            clock = nights.pop(0)
            inventory(clock)
        clock = at
        admin(do, **arguments)
    clock = now
    prefix = inventory(now)["prefix"]
    print(json.dumps({
        "port": port, "march": march.replace(day=15).strftime("%Y-%m-%d"),
        "inventory": f"s3://{BUCKET}-inventory/{prefix}"}), flush=True)
    # Somebody else ends standard input, be it by dying.
    while os.read(0, 65536):
        pass
    admin.process.stdin.close()
    admin.process.wait()
    server.stop()
    # Threads of the server that still wait for a client must not keep this process.
    os._exit(0)


main()
