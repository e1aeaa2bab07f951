#!/usr/bin/env python3
"""A first sync, and a nightly one, of a store in an object store, on paper: how long each document is, how many requests
that makes, what they cost, and how long all of it takes.

usage: simulate.py [--keys N] [--versions N] [--bytes N] [--machines N] …
The documents are made here as the program makes them, with keys as long as those of a large public bucket, and
compressed alike. Prices are those of S3 in us-east-1; a server of one's own has none. How fast the syncing machine
writes plans and takes in results (--plan, --merge) is an assumption.
"""

import argparse
import gzip
import hashlib
import json

# What the program does: Sources/Replica/Work/Plan.
MOST_CONTENTS = 4000
FEWEST_CONTENTS = 128
LEAST_SHARDS = 64
CATALOGUE_ENTRY = 25
PACK = 64 << 20
PART = 16 << 20
LEASE_SECONDS = 120

PRICE_PUT = 0.005 / 1000
PRICE_GET = 0.0004 / 1000
PRICE_MONTH = 0.023 / (1 << 30)


def wants(count):
    """The requests of a shard."""
    found = []
    for number in range(count):
        digest = hashlib.md5(str(number).encode()).hexdigest()
        found.append(
            {
                "key": f"zarr/5a6d0c1e-7f0b-4a86-9a43-0f8b7f1d2c{number % 100:02d}/0/{number % 97}/{number % 89}/"
                       f"{number}",
                "version": hashlib.sha256(digest.encode()).hexdigest()[:32],
                "etag": digest,
                "size": 1000 + number % 500_000,
                "latest": True,
                "headers": True,
                "modified": 1_700_000_000_000 + number,
            })
    return found


def length(document):
    text = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    return len(gzip.compress(text, 1)), len(text)


def documents(contents, packs):
    """The bytes of a shard and of its result: compressed, and as JSON."""
    requests = wants(contents)
    shard = length({"format": 1, "shard": 0, "wants": requests})
    entries = b"".join(hashlib.sha256(str(i).encode()).digest()[:CATALOGUE_ENTRY] for i in range(contents))
    result = {
        "format": 1, "shard": 0, "worker": "host (process 1) 000000000000", "doneAt": "2026-01-01T00:00:00.000Z",
        "packs": [{"path": "packs/00/" + "0" * 64, "size": PACK, "contents": 1, "contentBytes": PACK}] * packs,
        "catalogue": entries.hex()[: len(entries) * 4 // 3], "headers": [
            {"want": want, "headers": '{"content-type":"application/octet-stream"}', "isComplete": True}
            for want in requests],
    }
    return shard, length(result)


def duration(seconds):
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def amount(count):
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} B"


def simulate(title, contents, size, machines, a):
    shards_by_share = max(FEWEST_CONTENTS, min(MOST_CONTENTS, contents // LEAST_SHARDS))
    per_shard = max(1, min(shards_by_share, contents))
    shards = -(-contents // per_shard)
    small = int(contents * a.small)
    packed = int(size * a.small_bytes)
    packs = max(shards, packed // PACK)
    large_parts = (size - packed) // PART
    shard, result = documents(per_shard, max(1, packs // shards))
    pages = -(-shards * 3 // 1000)
    seconds = max(contents * a.wait / (machines * a.jobs), size / (machines * a.bandwidth))
    renewals = int(machines * seconds / (LEASE_SECONDS / 4))
    # Each machine lists again after twenty times as long as that took, and after a minute at least.
    looks = int(machines * seconds / max(60, 20 * pages * 0.1)) + 1
    puts = packs + (contents - small) + large_parts + shards * 3 + renewals + looks * pages // 2
    gets = contents + large_parts + shards * 4
    money = puts * PRICE_PUT + gets * PRICE_GET
    merge = shards * a.merge
    print(f"## {title}: {contents:,} contents, {amount(size)}, {machines} machines")
    print(f"shards             {shards:,} of {per_shard:,} contents, {amount(size / shards)} each")
    print(f"a shard            {amount(shard[0])} ({amount(shard[1])} as JSON); all {amount(shard[0] * shards)}")
    print(f"a result           {amount(result[0])} ({amount(result[1])} as JSON); all {amount(result[0] * shards)}")
    print(f"a listing          {pages:,} requests, about {duration(pages * 0.1)}")
    print(f"requests           {gets:,} GET, {puts:,} PUT, POST and LIST: {money:,.0f} USD")
    print(f"of these, the plan {shards * 3 + renewals:,} PUT, {shards * 4:,} GET: "
          f"{(shards * 3 + renewals) * PRICE_PUT + shards * 4 * PRICE_GET:,.2f} USD")
    print(f"storage            {size * PRICE_MONTH:,.0f} USD a month")
    print(f"machines           {duration(seconds)} at {a.wait * 1000:.0f} ms a GET, {a.jobs} in flight, "
          f"{amount(a.bandwidth)}/s each")
    print(f"one machine        {duration(seconds * machines)}")
    print(f"the syncing one    writes the plan in {duration(contents / a.plan)}, takes in results in {duration(merge)};")
    print(f"                   {amount(contents * 250)} of wants in tmp/, catalogue {amount(small * CATALOGUE_ENTRY)}")
    print()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=10**9)
    parser.add_argument("--versions", type=int, default=10**9, help="new ones a year")
    parser.add_argument("--bytes", type=int, default=300 * 10**12)
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=64)
    parser.add_argument("--wait", type=float, default=0.05, help="seconds a GET takes at the source")
    parser.add_argument("--bandwidth", type=float, default=10e9 / 8, help="of a machine, in bytes a second")
    parser.add_argument("--small", type=float, default=0.99, help="the share of contents that go into packs")
    parser.add_argument("--small-bytes", type=float, default=0.6, help="their share of the bytes")
    parser.add_argument("--plan", type=float, default=100_000, help="wants a second that the plan is written at")
    parser.add_argument("--merge", type=float, default=0.15, help="seconds that a result takes")
    a = parser.parse_args()
    simulate("The first sync", a.keys, a.bytes, a.machines, a)
    simulate("A night", a.versions // 365, a.bytes * a.versions // a.keys // 365, a.machines, a)
    simulate("A night, one machine", a.versions // 365, a.bytes * a.versions // a.keys // 365, 1, a)


if __name__ == "__main__":
    main()
