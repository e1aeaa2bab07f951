"""Measures stores with packs beside stores without, and beside ext4; started by ../packed.sh."""

import contextlib
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/Benchmarks/downloads")
import compare  # noqa: E402

# As many as a directory of chunks has in the goals.
DIRECTORY = 20_000


def rows(count, size):
    for number in range(count):
        content = b"%016d" % number * (size // 16)
        etag = hashlib.md5(content).hexdigest()
        yield f"tiles/{number // DIRECTORY:05}/{number:08}", hashlib.md5(etag.encode()).hexdigest(), size, etag


def drop_caches():
    os.sync()
    if os.geteuid() == 0:
        with open("/proc/sys/vm/drop_caches", "w") as control:
            control.write("3")


def disk(path):
    """What a tree takes: its files and directories."""
    return int(subprocess.run(["du", "-s", "-B1", path], check=True, capture_output=True).stdout.split()[0])


class Bench:
    def __init__(self, work, count, size, place=None):
        """Stores and trees are in `place`, everything else in `work`."""
        self.work, self.count, self.size, self.place = work, count, size, place or work
        self.results = {}

    @contextlib.contextmanager
    def measured(self, what, who):
        drop_caches()
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        self.results.setdefault(what, {})[who] = seconds
        print(f"{what}, {who}: {seconds:.2f} s", flush=True)

    def timed(self, what, who, words):
        with self.measured(what, who):
            subprocess.run([compare.ICECORE] + words, check=True, env=compare.PLAIN, stderr=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL)

    def sync(self, store, who, options):
        server = compare.LatencyServer(0, self.size, 0)
        subprocess.run(
            [compare.ICECORE, "init", store, "--bucket", f"s3://{compare.BUCKET}", "--inventory",
             f"file://{self.work}/inventory", "--endpoint-url", server.endpoint, "--no-sign-request"] + options,
            check=True, env=compare.PLAIN, stderr=subprocess.DEVNULL)
        self.timed("first sync", who, ["sync", "--store", store])
        server.process.communicate()

    def read(self, tree, who):
        """A directory in order, then random files, each file opened, read and closed."""
        first = f"{tree}/tiles/00000"
        read = 0
        with self.measured("a directory in order, cold", who):
            for name in sorted(os.listdir(first)):
                with open(f"{first}/{name}", "rb", buffering=0) as file:
                    read += len(file.read())
        assert read == min(DIRECTORY, self.count) * self.size
        picked = random.Random(1).sample(range(self.count), min(8000, self.count))
        with self.measured("8,000 random files, cold", who):
            for number in picked:
                with open(f"{tree}/tiles/{number // DIRECTORY:05}/{number:08}", "rb", buffering=0) as file:
                    assert len(file.read()) == self.size

    def read_mounted(self, store, who):
        point = f"{self.work}/mnt"
        os.makedirs(point, exist_ok=True)
        subprocess.run([compare.ICECORE, "mount", point, "--store", store], check=True, env=compare.PLAIN)
        try:
            self.read(point, who)
        finally:
            subprocess.run(["fusermount3", "-u", point], check=True)

    def use(self, store, who):
        contents = [f"{store}/{name}" for name in ("blobs", "packs") if os.path.exists(f"{store}/{name}")]
        size = sum(map(disk, contents))
        print(f"{who}: {size / (self.count * self.size):.3f} × the bytes of the contents on the disk; of the catalogue "
              f"{self.catalogue(store) / (self.count * self.size):.3f}", flush=True)
        self.timed("verify, cold", who, ["verify", "--store", store])
        self.read_mounted(store, who)
        self.timed("push to a directory", who, ["push", f"file://{self.work}/replica", "--store", store])
        shutil.rmtree(f"{self.work}/replica")

    @staticmethod
    def catalogue(store):
        path = f"{store}/packs/catalogue"
        return os.path.getsize(path) if os.path.exists(path) else 0

    def run(self):
        compare.inventory(f"{self.work}/inventory", rows(self.count, self.size))
        store = f"{self.place}/store"
        self.sync(store, "files", [])
        self.use(store, "files")
        tree = f"{self.place}/tree"
        subprocess.run([compare.ICECORE, "export", tree, "--store", store], check=True, env=compare.PLAIN,
                       stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.read(tree, "ext4")
        shutil.rmtree(tree)
        self.timed("pack", "files to packs", ["pack", "--below", "64K", "--store", store])
        shutil.rmtree(store)
        self.sync(store, "packs", ["--pack-below", "64K"])
        self.use(store, "packs")
        print(f"\n{self.count} objects of {self.size} bytes")
        for what, peer, goal in [
                ("first sync", "files", "≥ 1.3"), ("verify, cold", "files", "≥ 10"), ("push to a directory", "files", "≥ 20"),
                ("a directory in order, cold", "ext4", "≥ 3.3"), ("a directory in order, cold", "files", ""),
                ("8,000 random files, cold", "ext4", "≥ 1.0"), ("8,000 random files, cold", "files", "")]:
            times = self.results[what]
            print(f"{what}: packs {times['packs']:.2f} s, {peer} {times[peer]:.2f} s: {times[peer] / times['packs']:.2f} "
                  f"× as fast {'(goal ' + goal + ')' if goal else ''}")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 1280
    work = tempfile.mkdtemp(prefix="icecore-bench-")
    try:
        Bench(work, count, size).run()
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
