"""A year of nights in the life of a store; started by year.sh."""

import csv
import datetime
import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/Benchmarks/downloads")
import compare  # noqa: E402

SIZE = 1280
# As many as a directory of chunks has in the goals.
DIRECTORY = 20_000
FIRST = datetime.date(2025, 1, 1)
# A hundredth changes each night, a tenth of that is deleted, another tenth is new.
CHANGED = 100
# Old versions expire, as a lifecycle rule has it.
EXPIRY = 30
# One command in so many is killed, and given again.
KILLED = 25
COLUMNS = ["night", "keys", "rows", "sync s", "sync MiB", "push s", "push MiB", "prune s", "prune MiB", "verify s",
           "verify MiB", "index MB", "store MB", "replica MB", "killed"]


class Bucket:
    """What is in the bucket: for each key its rows as an inventory lists them, and what `ls` must say."""

    def __init__(self, count, seed=1):
        self.random = random.Random(seed)
        self.contents = 0
        self.rows, self.latest, self.old, self.shown = [], [], {}, []
        self.expiring = {}
        for _ in range(count):
            self.add(0)

    def add(self, night):
        self.rows.append(b"")
        self.latest.append(b"")
        self.shown.append(b"")
        self.put(len(self.rows) - 1, night)

    def put(self, key, night):
        number, self.contents = self.contents, self.contents + 1
        etag = hashlib.md5(b"%016d" % number * (SIZE // 16)).hexdigest()
        self.replace(key, night, f"v{number}", f'"false","{SIZE}"', f'"{etag}"')
        self.shown[key] = f"{self.name(key)} {SIZE} {etag} v{number}\n".encode()

    def delete(self, key, night):
        self.contents += 1
        self.replace(key, night, f"v{self.contents - 1}", '"true",""', '""')
        self.shown[key] = b""

    def replace(self, key, night, version, middle, etag):
        if self.latest[key]:
            self.old.setdefault(key, []).insert(0, self.latest[key].replace(b'"true"', b'"false"', 1))
            self.expiring.setdefault(night + EXPIRY, []).append(key)
        when = datetime.datetime.combine(FIRST, datetime.time(0)) + datetime.timedelta(days=night - 1, hours=12)
        self.latest[key] = (f'"{compare.BUCKET}","{self.name(key)}","{version}","true",{middle},'
                            f'"{when:%Y-%m-%dT%H:%M:%S}.000Z",{etag}\n').encode()
        self.join(key)

    def join(self, key):
        self.rows[key] = self.latest[key] + b"".join(self.old.get(key, []))

    @staticmethod
    def name(key):
        return f"tiles/{key // DIRECTORY:05}/{key:08}"

    def change(self, night):
        for key in self.expiring.pop(night, []):
            self.old[key].pop()
            if not self.old[key]:
                del self.old[key]
            self.join(key)
        count = len(self.rows)
        for key in self.random.sample(range(count), count // CHANGED):
            if self.shown[key] and self.random.random() < 0.1:
                self.delete(key, night)
            else:
                self.put(key, night)
        for _ in range(count // CHANGED // 10):
            self.add(night)

    def inventory(self, directory, name, night):
        """Writes the inventory of a night; returns what a listing of it must hash to, its keys, and its rows."""
        os.makedirs(f"{directory}/{name}")
        os.makedirs(f"{directory}/data", exist_ok=True)
        text = b"".join(self.rows)
        data = gzip.compress(text, 1)
        with open(f"{directory}/data/{name}.csv.gz", "wb") as file:
            file.write(data)
        taken = datetime.datetime.combine(FIRST, datetime.time(1), datetime.timezone.utc)
        taken += datetime.timedelta(days=night)
        manifest = json.dumps({
            "sourceBucket": compare.BUCKET, "destinationBucket": "arn:aws:s3:::inventories", "version": "2016-11-30",
            "creationTimestamp": str(int(taken.timestamp() * 1000)), "fileFormat": "CSV",
            "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag",
            "files": [{"key": f"data/{name}.csv.gz", "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()}],
        }).encode()
        with open(f"{directory}/{name}/manifest.json", "wb") as file:
            file.write(manifest)
        with open(f"{directory}/{name}/manifest.checksum", "w") as file:
            file.write(hashlib.md5(manifest).hexdigest())
        listing = b"".join(self.shown)
        return hashlib.sha256(listing).hexdigest(), listing.count(b"\n"), text.count(b"\n")


def size(path):
    """What a tree takes on the disk, in MB."""
    if not os.path.exists(path):
        return 0
    return int(subprocess.run(["du", "-s", "-B1", path], check=True, capture_output=True).stdout.split()[0]) / 1e6


class Year:
    def __init__(self, work, count, nights):
        self.work, self.nights = work, nights
        self.store, self.replica, self.inventories = f"{work}/store", f"{work}/replica", f"{work}/inventory"
        self.bucket = Bucket(count)
        self.chance = random.Random(2)
        self.usual = {}
        self.killed = 0

    def run(self, *words):
        """Runs a command, killed before its end now and then; returns its seconds and its most memory in MiB."""
        command = [compare.ICECORE, *words, "--store", self.store]
        usual = self.usual.get(words[0])
        if usual and self.chance.random() < 1 / KILLED:
            victim = subprocess.Popen(command, env=compare.PLAIN, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.chance.random() * usual)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            self.killed += 1
        start = time.perf_counter()
        process = subprocess.Popen(command, env=compare.PLAIN, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{' '.join(command)}: status {status >> 8}\n{errors.decode(errors='replace')[-3000:]}")
        seconds = time.perf_counter() - start
        self.usual[words[0]] = seconds
        return round(seconds, 2), usage.ru_maxrss // 1024

    def night(self, night, server):
        if night:
            self.bucket.change(night)
        name = f"{FIRST + datetime.timedelta(days=night)}T01-00Z"
        expected, keys, rows = self.bucket.inventory(self.inventories, name, night)
        if night == 0:
            subprocess.run(
                [compare.ICECORE, "init", self.store, "--bucket", f"s3://{compare.BUCKET}", "--inventory",
                 f"file://{self.inventories}", "--endpoint-url", server.endpoint, "--no-sign-request", "--pack-below", "64K",
                 "--headers", "fetched"],
                check=True, env=compare.PLAIN, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.killed = 0
        sync = self.run("sync")
        prune = self.run("prune", "--keep-daily", "60", "--keep-monthly", "12") if night % 30 == 29 else ("", "")
        verify = self.run("verify", "--since", "30d") if night % 7 == 6 else ("", "")
        push = self.run("push", f"file://{self.replica}", "--prune", "--grace", "0h")
        # AWS keeps its inventories; here the disk is smaller.
        os.remove(f"{self.inventories}/data/{name}.csv.gz")
        shutil.rmtree(f"{self.inventories}/{name}")
        line = [night, keys, rows, *sync, *push, *prune, *verify, round(size(f"{self.store}/index.sqlite"), 1),
                round(size(self.store), 1), round(size(self.replica), 1), self.killed]
        return name, expected, line

    def listed(self, name):
        """What a listing of a night hashes to."""
        listing = subprocess.Popen(
            [compare.ICECORE, "ls", "-R", "--json", "--at", name, "--store", self.store], env=compare.PLAIN,
            stdout=subprocess.PIPE)
        digest = hashlib.sha256()
        for text in listing.stdout:
            row = json.loads(text)
            digest.update(f"{row['key']} {row['size']} {row['etag']} {row['versionId']}\n".encode())
        if listing.wait():
            sys.exit(f"ls --at {name} failed")
        return digest.hexdigest()

    def go(self):
        server = compare.LatencyServer(0, SIZE, 0)
        expected = {}
        with open(f"{ROOT}/.build/bench/year.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            print(*COLUMNS, sep=", ")
            for night in range(self.nights):
                name, digest, line = self.night(night, server)
                expected[name] = digest
                table.writerow(line)
                file.flush()
                print(*line, sep=", ", flush=True)
        kept = subprocess.run([compare.ICECORE, "snapshots", "--json", "--store", self.store], env=compare.PLAIN, check=True,
                              capture_output=True).stdout
        names = [entry["name"] for entry in map(json.loads, kept.splitlines()) if not entry.get("prunedAt")]
        picked = random.Random(3).sample(names, min(20, len(names)))
        wrong = [name for name in picked if self.listed(name) != expected[name]]
        print(f"{len(picked)} random nights of {len(names)} that are kept: {len(wrong)} differ from their inventory {wrong}")
        self.run("verify")
        server.process.communicate()
        return 1 if wrong else 0


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    nights = int(sys.argv[2]) if len(sys.argv) > 2 else 365
    work = tempfile.mkdtemp(prefix="icecore-year-")
    try:
        return Year(work, count, nights).go()
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
