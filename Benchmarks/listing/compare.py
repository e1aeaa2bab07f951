"""Measures listings; started by ../listing.sh, which sees that everything is there."""

import argparse
import json
import os
import shutil
import statistics
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


class Pages(compare.LatencyServer):
    """A server that makes up a bucket."""

    def __init__(self, versions, milliseconds):
        super().__init__(milliseconds, versions, program="pages")

    def requests(self):
        """Since the last call."""
        return self.statistics()[0]

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


def list_milliseconds(work):
    """What the last sync says of its listing."""
    with open(f"{work}/output") as output:
        return next(json.loads(line)["listMilliseconds"] for line in output if line.startswith("{"))


def measure(work, title, endpoint, versions, rounds, jobs, requests=lambda: 0, latency=0, has_peers=True):
    """Our listings include that they are written, synced and committed; others print what they list."""
    table = compare.Table()
    listed = {}
    for _ in range(rounds):
        for count in jobs:
            path = store(work, "store", endpoint)
            sync = [compare.ICECORE, "sync", "--json", "--metadata-only", "--store", path, "--jobs", str(count)]
            for which in ("first", "second"):
                requests()
                run = compare.Run(sync, work)
                name = f"icecore, {which}, {count} in flight"
                table.add(name, run, requests())
                listed.setdefault((name, count), []).append(list_milliseconds(work))
        for name, command in others(endpoint).items() if has_peers else ():
            requests()
            run = compare.Run(command, work)
            table.add(name, run, requests())
    print(f"\n{title}, {rounds} rounds, load {os.getloadavg()[0]:.1f}")
    table.show(versions)
    for (name, count), times in listed.items() if latency else ():
        milliseconds = statistics.median(times)
        rate, ideal = versions / milliseconds * 1000, count * 1_000_000 / latency
        print(f"{name}: listed {rate:.0f} versions/s in {milliseconds} ms, {rate / ideal:.2f} of what {count} x 1000 "
              f"every {latency} ms make (goal {0.75 if 'first' in name else 0.9})")
    best = f"icecore, first, {jobs[-1]} in flight"
    for name in others(endpoint) if has_peers else ():
        table.ratio(best, name, "> 1")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--gateway", type=int, default=20_000, help="versions at Ceph's gateway")
    parser.add_argument("--late", type=int, default=300_000, help="versions at a server that waits 50 ms")
    parser.add_argument("--rates", type=int, default=3_000_000, help="versions at it for the rates of ours alone")
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
                    pages.requests, 50)
            pages.stop()
        if options.rates:
            pages = Pages(options.rates, 50)
            measure(work, f"{options.rates} versions, 50 ms", pages.endpoint, options.rates, options.rounds, [4, 16],
                    pages.requests, 50, has_peers=False)
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
