"""Measures downloads; started by ../downloads.sh, which sees that everything is there."""

import argparse
import datetime
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ICECORE = os.environ["ICECORE"]
BUCKET = "bench"
NAME = "2026-11-01T01-00Z"
DURABLE = "fsync,fdatasync,syncfs,sync_file_range"
PLAIN = {
    "PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1"}


class Run:
    """What one run of a program took."""

    def __init__(self, command, cwd):
        report = f"{cwd}/time"
        # What the run before has left unwritten is not this one's affair.
        os.sync()
        start = time.perf_counter()
        with open(f"{cwd}/output", "wb") as output:
            status = subprocess.run(
                ["/usr/bin/time", "-o", report, "-f", "%U %S %M"] + command, cwd=cwd, env=PLAIN, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output).returncode
        self.seconds = time.perf_counter() - start
        if status:
            with open(f"{cwd}/output", errors="replace") as output:
                sys.exit(f"{' '.join(command)[:200]}: status {status}\n{output.read()[-2000:]}")
        with open(report) as text:
            user, system, memory = text.read().split()
        self.cpu = float(user) + float(system)
        self.mebibytes = int(memory) / 1024


class Table:
    """Runs by name, each name as often as there are rounds."""

    def __init__(self):
        self.runs = {}
        self.requests = {}

    def add(self, name, run, requests):
        self.runs.setdefault(name, []).append(run)
        self.requests.setdefault(name, []).append(requests)

    def seconds(self, name):
        return statistics.median(run.seconds for run in self.runs[name])

    def show(self, objects):
        print(f"{'medians':<34} {'s':>8} {'all rounds':<32} {'s CPU':>6} {'objects/s':>9} {'requests':>8} {'MiB':>5}")
        for name, runs in self.runs.items():
            each = " ".join(f"{run.seconds:.2f}" for run in runs)
            cpu = statistics.median(run.cpu for run in runs)
            memory = max(run.mebibytes for run in runs)
            requests = max(count for count in self.requests[name])
            print(f"{name:<34} {self.seconds(name):8.3f} {each:<32} {cpu:6.2f} {objects / self.seconds(name):9.0f} "
                  f"{requests:8} {memory:5.0f}")

    def ratio(self, name, other, goal):
        """How many times as fast one is as the other: of the medians, and pair by pair."""
        pairs = sorted(b.seconds / a.seconds for a, b in zip(self.runs[name], self.runs[other]))
        print(f"{name}: {self.seconds(other) / self.seconds(name):.2f} × as fast as {other} "
              f"(pairs {pairs[0]:.2f} to {pairs[-1]:.2f}; goal {goal})", flush=True)


def inventory(directory, rows):
    """Writes an inventory: rows of key, version id, size, ETag."""
    os.makedirs(f"{directory}/{NAME}")
    os.makedirs(f"{directory}/data", exist_ok=True)
    text = "".join(
        f'"{BUCKET}","{key}","{version}","true","false","{size}","2026-10-01T00:00:00.000Z","{etag}"\n'
        for key, version, size, etag in sorted(rows))
    data = gzip.compress(text.encode())
    with open(f"{directory}/data/list.csv.gz", "wb") as file:
        file.write(data)
    manifest = json.dumps({
        "sourceBucket": BUCKET, "destinationBucket": "arn:aws:s3:::inventories", "version": "2016-11-30",
        "creationTimestamp": "1793494800000", "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag",
        "files": [{"key": "data/list.csv.gz", "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()}],
    }).encode()
    with open(f"{directory}/{NAME}/manifest.json", "wb") as file:
        file.write(manifest)
    with open(f"{directory}/{NAME}/manifest.checksum", "w") as file:
        file.write(hashlib.md5(manifest).hexdigest())


class Nginx:
    """The test bed's nginx."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", f"{ROOT}/Tests/Testbed/servers/nginx.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ready = json.loads(self.process.stdout.readline())
        self.endpoint = f"http://127.0.0.1:{ready['port']}"
        self.directory = f"{ready['directory']}/data/{BUCKET}"
        for kind in ".v", ".c":
            os.makedirs(f"{self.directory}/{kind}")

    def put(self, key, version, content):
        path = f"{self.directory}/.c/{key}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            for part in content:
                file.write(part)
        os.link(path, f"{self.directory}/.v/{version}")

    def requests(self):
        with urllib.request.urlopen(f"{self.endpoint}/-/status") as answer:
            # "accepts handled requests", this one included.
            return int(re.findall(r"\d+", answer.read().decode())[3])


class LatencyServer:
    """latency.c, or another server that is driven like it."""

    def __init__(self, milliseconds, *words, program="latency"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [f"{ROOT}/.build/bench/{program}", str(self.port), str(milliseconds), *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.02)
        sys.exit(f"{program} does not start")

    def statistics(self):
        """Requests since the last call, and the most that waited at once."""
        self.process.send_signal(signal.SIGUSR1)
        return tuple(map(int, self.process.stdout.readline().split()))


class Bench:
    def __init__(self, options):
        self.options = options
        self.work = options.directory or tempfile.mkdtemp(prefix="icecore-bench-")
        os.makedirs(self.work, exist_ok=True)
        self.places = 0
        self.store = ""

    def place(self):
        """A name for a new directory. Old ones stay to the end: ext4 avoids inodes that were deleted minutes ago, and
        looks at each of them again for every file that it creates, which slows everybody down."""
        if self.options.delete:
            shutil.rmtree(f"{self.work}/{self.places}", ignore_errors=True)
        self.places += 1
        return f"{self.work}/{self.places}"

    def fresh(self, inventories, endpoint):
        self.store = self.place()
        subprocess.run(
            [ICECORE, "init", self.store, "--bucket", f"s3://{BUCKET}", "--inventory", f"file://{inventories}",
             "--endpoint-url", endpoint, "--no-sign-request"], check=True, env=PLAIN, stderr=subprocess.DEVNULL)

    def sync(self, *words):
        return [ICECORE, "sync", "--store", self.store, *words]

    def retarget(self, link):
        if os.path.islink(link):
            os.unlink(link)
        directory = self.place()
        os.mkdir(directory)
        os.symlink(directory, link)

    def blobs(self):
        return sum(len(files) for _, _, files in os.walk(f"{self.store}/blobs"))

    def durable(self, title, command, goal):
        """Which system calls make data durable, and how many of them."""
        subprocess.run(
            ["strace", "-c", "-f", "-e", f"trace={DURABLE}", "-o", f"{self.work}/strace"] + command, check=True,
            env=PLAIN, cwd=self.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(f"{self.work}/strace") as text:
            found = [(line.split()[-1], line.split()[3]) for line in text if line.split()[-1:] and
                     line.split()[-1] in DURABLE.split(",")]
        calls = ", ".join(f"{name} {count}" for name, count in found)
        print(f"{title}: system calls that make data durable: {calls} ({goal})", flush=True)

    def small(self):
        count = self.options.objects
        nginx = Nginx()
        rows = []
        for number in range(count):
            content = hashlib.sha256(str(number).encode()).digest() * 128
            key, version = f"small/{number // 1000:03}/{number:06}", f"v{number:08}"
            nginx.put(key, version, [content])
            rows.append((key, version, len(content), hashlib.md5(content).hexdigest()))
        inventory(f"{self.work}/small", rows)
        keys = [row[0] for row in rows]
        target = f"{self.work}/target"  # a symbolic link to another directory each time
        with open(f"{self.work}/s5cmd-list", "w") as file:
            file.writelines(f"cp s3://{BUCKET}/{key} {target}/{key}\n" for key in keys)
        with open(f"{self.work}/curl-list", "w") as file:
            file.writelines(f'url = "{nginx.endpoint}/{BUCKET}/{key}"\noutput = "{target}/{key}"\n' for key in keys)
        with open(f"{self.work}/rclone-list", "w") as file:
            file.writelines(f"{key}\n" for key in keys)
        peers = {
            "curl -Z --parallel-max 64": ["curl", "-s", "-S", "-Z", "--parallel-max", "64", "-K", f"{self.work}/curl-list"],
            "s5cmd": ["s5cmd", "--no-sign-request", "--log", "error", "--endpoint-url", nginx.endpoint, "run",
                      f"{self.work}/s5cmd-list"],
            "rclone copy": [
                "rclone", "copy", "--config", "/dev/null", "--files-from-raw", f"{self.work}/rclone-list", "--no-traverse",
                "--transfers", "64", "--checkers", "64", "--ignore-checksum", "--s3-provider", "Other", "--s3-endpoint",
                nginx.endpoint, "--s3-region", "us-east-1", "--s3-env-auth", f":s3:{BUCKET}", target],
        }
        table = Table()
        for _ in range(self.options.rounds):
            for name, words in ("icecore sync", []), ("icecore sync --metadata-only", ["--metadata-only"]):
                self.fresh(f"{self.work}/small", nginx.endpoint)
                before = nginx.requests()
                run = Run(self.sync(*words), self.work)
                table.add(name, run, nginx.requests() - before - 1)
                if not words and self.blobs() != count:
                    sys.exit(f"icecore sync: {self.blobs()} of {count} objects arrived")
            for name, command in peers.items():
                if name in self.options.without:
                    continue
                self.retarget(target)
                for directory in {os.path.dirname(key) for key in keys}:
                    os.makedirs(f"{target}/{directory}")
                before = nginx.requests()
                run = Run(command, self.work)
                table.add(name, run, nginx.requests() - before - 1)
                arrived = sum(len(files) for _, _, files in os.walk(f"{target}/"))
                if arrived != count:
                    sys.exit(f"{name}: {arrived} of {count} objects arrived")
        how = " (each run's files deleted before the next)" if self.options.delete else ""
        print(f"\n{count} objects of 4 KiB from nginx{how}; icecore's are verified and durable, the others' are neither")
        table.show(count)
        for name, goal in ("curl -Z --parallel-max 64", "1.5"), ("s5cmd", "3"), ("rclone copy", "none"):
            if name in table.runs:
                table.ratio("icecore sync", name, goal)
        self.fresh(f"{self.work}/small", nginx.endpoint)
        self.durable("icecore sync", self.sync(), f"{count} objects")
        nginx.process.communicate()

    def large(self):
        nginx = Nginx()
        mebibyte, parts, part_mebibytes = 1 << 20, 128, 8
        block = os.urandom(mebibyte - 8)
        digests, content = [], []
        for part in range(parts):
            digest = hashlib.md5()
            for number in range(part * part_mebibytes, (part + 1) * part_mebibytes):
                piece = number.to_bytes(8, "big") + block
                digest.update(piece)
                content.append(piece)
            digests.append(digest.digest())
        nginx.put("large", "vlarge", content)
        content.clear()
        etag = f"{hashlib.md5(b''.join(digests)).hexdigest()}-{parts}"
        inventory(f"{self.work}/large", [("large", "vlarge", parts * part_mebibytes * mebibyte, etag)])
        file = f"{self.work}/file"
        script = f"curl -s -S -o {file} {nginx.endpoint}/{BUCKET}/large && sync {file} && md5sum {file}"
        table = Table()
        for _ in range(self.options.rounds):
            self.fresh(f"{self.work}/large", nginx.endpoint)
            before = nginx.requests()
            table.add("icecore sync", Run(self.sync(), self.work), nginx.requests() - before - 1)
            if self.blobs() != 1:
                sys.exit("icecore sync: the object did not arrive")
            shutil.rmtree(self.store)
            before = nginx.requests()
            table.add("curl && sync && md5sum", Run(["sh", "-c", script], self.work), nginx.requests() - before - 1)
            os.unlink(file)
        print("\none object of 1 GiB in 128 parts from nginx, verified and durable by both")
        table.show(1)
        table.ratio("icecore sync", "curl && sync && md5sum", "1.2")
        self.fresh(f"{self.work}/large", nginx.endpoint)
        self.durable("icecore sync", self.sync(), "one object")
        nginx.process.communicate()

    def late(self):
        count, jobs, milliseconds = 2 * self.options.objects, 256, 50
        server = LatencyServer(milliseconds)
        rows = []
        for number in range(count):
            content = b"%016d" % number * 256
            rows.append((f"late/{number:08}", f"v{number:08}", len(content), hashlib.md5(content).hexdigest()))
        # A version id ends with the same number, but the server looks at the path.
        inventory(f"{self.work}/late", rows)
        table = Table()
        for _ in range(self.options.rounds):
            for name, words in ("icecore sync", ["--jobs", str(jobs)]), ("icecore sync --metadata-only", ["--metadata-only"]):
                self.fresh(f"{self.work}/late", server.endpoint)
                server.statistics()
                run = Run(self.sync(*words), self.work)
                requests, most = server.statistics()
                table.add(name, run, requests)
                if not words[0].startswith("--m"):
                    waited = most
                    if self.blobs() != count:
                        sys.exit(f"icecore sync: {self.blobs()} of {count} objects arrived")
        limit = count * milliseconds / 1000 / jobs
        seconds, index = table.seconds("icecore sync"), table.seconds("icecore sync --metadata-only")
        print(f"\n{count} objects of 4 KiB from a server that waits {milliseconds} ms, {jobs} in flight ({waited} seen)")
        table.show(count)
        print(f"{100 * limit / seconds:.0f} % of {count / limit:.0f} objects/s, which is in flight ÷ latency "
              f"(goal 90 %); {100 * limit / (seconds - index):.0f} % without the time for the index", flush=True)
        server.process.communicate()

    def many(self):
        """Peak memory with many large objects under way; no speed, for the server makes its bytes up in Python."""
        count, size, seconds = 64, 1 << 30, 20
        process = subprocess.Popen(
            ["/usr/bin/python3", f"{ROOT}/Tests/Testbed/servers/fault.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        endpoint = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        rows = []
        for number in range(count):
            part = hashlib.sha256(f"{size}/{number}".encode()).digest() * (8 << 15)
            etag = hashlib.md5(hashlib.md5(part).digest() * 128).hexdigest()
            rows.append((f"synthetic/{size}/{number}", f"v{number}", size, f"{etag}-128"))
        inventory(f"{self.work}/many", rows)
        self.fresh(f"{self.work}/many", endpoint)
        sync = subprocess.Popen(
            self.sync("--jobs", "256"), env=PLAIN, cwd=self.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        begun = [name for name in os.listdir(f"{self.store}/tmp") if name.startswith("partial-") and not name.endswith(".log")]
        if sync.poll() is not None:
            sys.exit("icecore sync: it did not last as long as it is looked at")
        with open(f"/proc/{sync.pid}/status") as status:
            peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
        arrived = sum(os.stat(f"{self.store}/tmp/{name}").st_blocks * 512 for name in begun)
        start = time.perf_counter()
        sync.send_signal(signal.SIGINT)
        sync.wait()
        print(f"\n{count} objects of 1 GiB, 256 in flight, stopped after {seconds} s: {len(begun)} of them begun, "
              f"{arrived / (1 << 20):.0f} MiB there, peak memory {peak:.0f} MiB (goal 256), "
              f"stopped within {time.perf_counter() - start:.1f} s", flush=True)
        process.communicate()


def main():
    parser = argparse.ArgumentParser(prog="Benchmarks/downloads.sh")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--objects", type=int, default=10000, help="from nginx; twice as many from the server that waits")
    parser.add_argument("--only", choices=["small", "large", "late", "many"], action="append")
    parser.add_argument("--without", action="append", default=[], help="leave out: 's5cmd', 'rclone copy', …")
    parser.add_argument("--delete", action="store_true", help="delete what a run has written before the next one")
    parser.add_argument("--directory", help="where to work; default: a temporary directory")
    options = parser.parse_args()
    load = open("/proc/loadavg").read().split()[0]
    print(f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}, {os.cpu_count()} cores, {os.uname().release}, load {load}")
    bench = Bench(options)
    try:
        for part in options.only or ["small", "large", "late", "many"]:
            getattr(bench, part)()
    finally:
        if not options.directory:
            shutil.rmtree(bench.work, ignore_errors=True)


if __name__ == "__main__":
    main()
