"""Measures a store of many millions of tiny contents in packs; started by many.sh."""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/Benchmarks/downloads")
import compare  # noqa: E402
import packs  # noqa: E402

SIZE = 96
NAMES = ["2026-11-01T01-00Z", "2026-11-02T01-00Z", "2026-11-03T01-00Z"]
MAKER = os.environ["ICECORE_BENCH_PACKS"]


def rows_file(path, first, count):
    with open(path, "wb") as file:
        rows = subprocess.Popen([MAKER, "rows", "--first", str(first), "--count", str(count), "--size", str(SIZE)],
                                stdout=subprocess.PIPE)
        subprocess.run(["gzip", "-1"], stdin=rows.stdout, stdout=file, check=True)
        rows.stdout.close()
        if rows.wait():
            sys.exit("no rows")


def manifest(directory, name, files):
    os.makedirs(f"{directory}/{name}")
    listed = []
    for file in files:
        with open(f"{directory}/data/{file}", "rb") as data:
            digest = hashlib.file_digest(data, "md5").hexdigest()
        listed.append({"key": f"data/{file}", "size": os.path.getsize(f"{directory}/data/{file}"), "MD5checksum": digest})
    day = NAMES.index(name)
    text = json.dumps({
        "sourceBucket": compare.BUCKET, "destinationBucket": "arn:aws:s3:::inventories", "version": "2016-11-30",
        "creationTimestamp": str(1793494800000 + day * 86_400_000), "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag",
        "files": listed}).encode()
    with open(f"{directory}/{name}/manifest.json", "wb") as file:
        file.write(text)
    with open(f"{directory}/{name}/manifest.checksum", "w") as file:
        file.write(hashlib.md5(text).hexdigest())


def report(what, run):
    print(f"{what}: {run.seconds:.1f} s, {run.cpu:.1f} s CPU, {run.mebibytes:.0f} MiB", flush=True)


def sequential(trace):
    """Of what was read and written of catalogues: how many bytes, and how much of it began where the last piece ended."""
    ends, bytes_, ahead = {}, {"read": 0, "write": 0}, {"read": 0, "write": 0}
    call = re.compile(r"(pread64|pwrite64|read|write)\((\d+)<([^>]*)>.*?(?:, (\d+))?\) += (\d+)$")
    with open(trace, errors="replace") as text:
        for line in text:
            found = call.search(line)
            if not found or "/packs/catalogue" not in found[3]:
                continue
            kind = "read" if "read" in found[1] else "write"
            count = int(found[5])
            file = (kind, found[3])
            start = int(found[4]) if found[1].startswith("p") and found[4] else ends.get(file, 0)
            bytes_[kind] += count
            if ends.get(file) in (start, None):
                ahead[kind] += count
            ends[file] = start + count
    for kind in bytes_:
        if bytes_[kind]:
            print(f"  of the catalogue {bytes_[kind] / 1e6:.0f} MB {kind}, "
                  f"{100 * ahead[kind] / bytes_[kind]:.2f} % of it in order", flush=True)


def look_up(store, count, work):
    """The time of a read of a random file in a mount, cold and warm."""
    point = f"{work}/mnt"
    os.makedirs(point, exist_ok=True)
    subprocess.run([compare.ICECORE, "mount", point, "--store", store], check=True, env=compare.PLAIN)
    picked = random.Random(1).sample(range(count), 2000)
    try:
        packs.drop_caches()
        times = []
        for number in picked:
            start = time.perf_counter()
            with open(f"{point}/tiles/{number // packs.DIRECTORY:05}/{number:09}", "rb", buffering=0) as file:
                assert file.read() == b"%016d" % number * (SIZE // 16)
            times.append(time.perf_counter() - start)
        times.sort()
        with open("/proc/self/mounts") as mounts:
            assert point in mounts.read()
        print(f"a random file through a mount, cold: median {times[1000] * 1000:.2f} ms, 99 % {times[1980] * 1000:.2f} ms",
              flush=True)
    finally:
        subprocess.run(["fusermount3", "-u", point], check=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000_000
    work = tempfile.mkdtemp(prefix="icecore-bench-")
    try:
        store, inventory = f"{work}/store", f"{work}/inventory"
        os.makedirs(f"{inventory}/data")
        new = count // 100
        rows_file(f"{inventory}/data/a.csv.gz", 0, count // 2)
        rows_file(f"{inventory}/data/b.csv.gz", count // 2, count - count // 2)
        rows_file(f"{inventory}/data/c.csv.gz", count, new)
        rows_file(f"{inventory}/data/d.csv.gz", count + new, new)
        manifest(inventory, NAMES[0], ["a.csv.gz", "b.csv.gz"])
        manifest(inventory, NAMES[1], ["a.csv.gz", "b.csv.gz", "c.csv.gz"])
        manifest(inventory, NAMES[2], ["a.csv.gz", "b.csv.gz", "c.csv.gz", "d.csv.gz"])
        server = compare.LatencyServer(0, SIZE, 0)
        subprocess.run(
            [compare.ICECORE, "init", store, "--bucket", f"s3://{compare.BUCKET}", "--inventory", f"file://{inventory}",
             "--endpoint-url", server.endpoint, "--no-sign-request", "--pack-below", "64K", "--headers", "none"],
            check=True, env=compare.PLAIN, stderr=subprocess.DEVNULL)
        start = time.perf_counter()
        subprocess.run([MAKER, "fill", store, "--count", str(count), "--size", str(SIZE)], check=True)
        print(f"filled in {time.perf_counter() - start:.0f} s; catalogue {packs.Bench.catalogue(store) / 1e6:.0f} MB", flush=True)
        sync = [compare.ICECORE, "sync", "--store", store, "--jobs", "64"]
        report(f"first sync of {count} rows whose contents are there", compare.Run(sync + ["--date", NAMES[0]], work))
        packs.drop_caches()
        report("the same again", compare.Run(sync + ["--date", NAMES[0]], work))
        packs.drop_caches()
        report(f"a day with {new} new contents", compare.Run(sync + ["--date", NAMES[1]], work))
        trace = f"{work}/trace"
        report("another one, traced", compare.Run(
            ["strace", "-f", "-y", "-o", trace, "-e", "trace=pread64,pwrite64,read,write"] + sync + ["--date", NAMES[2]], work))
        sequential(trace)
        os.remove(trace)
        small = f"{work}/small"
        os.makedirs(f"{work}/few/data")
        shutil.copy(f"{inventory}/data/c.csv.gz", f"{work}/few/data")
        manifest(f"{work}/few", NAMES[0], ["c.csv.gz"])
        subprocess.run(
            [compare.ICECORE, "init", small, "--bucket", f"s3://{compare.BUCKET}", "--inventory", f"file://{work}/few",
             "--endpoint-url", server.endpoint, "--no-sign-request", "--pack-below", "64K", "--headers", "none"],
            check=True, env=compare.PLAIN, stderr=subprocess.DEVNULL)
        report(f"for comparison, {new} contents into an empty store",
               compare.Run([compare.ICECORE, "sync", "--store", small, "--jobs", "64"], work))
        look_up(store, count, work)
        report("verify of a hundredth", compare.Run([compare.ICECORE, "verify", "--store", store, "--sample", "1"], work))
        report("status", compare.Run([compare.ICECORE, "status", "--store", store], work))
        server.process.communicate()
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
