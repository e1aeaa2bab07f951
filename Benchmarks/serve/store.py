#!/usr/bin/python3
"""Makes a tree of objects and an inventory of them: 4,000 of 4 KiB, and one of 1 GiB.

usage: store.py DIRECTORY     writes DIRECTORY/tree, DIRECTORY/inventories and DIRECTORY/keys (a path a line)
"""

import gzip
import hashlib
import json
import os
import random
import sys

directory = sys.argv[1]
name, bucket = "2026-03-15T01-00Z", "bench"
source = random.Random(1)
rows = []


def put(key, content):
    path = f"{directory}/tree/{key}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    rows.append((key, len(content), hashlib.md5(content).hexdigest()))


for number in range(4000):
    put(f"small/{number % 40:02}/{number:05}", source.randbytes(4096))
with open(f"{directory}/keys", "w") as file:
    file.write("".join(f"{key}\n" for key, _, _ in rows))
block = source.randbytes(1 << 24)
put("large", b"".join(number.to_bytes(4, "big") + block[4:] for number in range(64)))
rows.sort()
os.makedirs(f"{directory}/inventories/{name}")
os.makedirs(f"{directory}/inventories/data")
lines = "".join(f'"{bucket}","{key}","{size}","2026-03-01T00:00:00.000Z","{etag}"\n' for key, size, etag in rows)
content = gzip.compress(lines.encode())
with open(f"{directory}/inventories/data/list.csv.gz", "wb") as file:
    file.write(content)
manifest = json.dumps(
    {
        "sourceBucket": bucket, "destinationBucket": "arn:aws:s3:::inventories", "version": "2016-11-30",
        "creationTimestamp": "1773536400000", "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag",
        "files": [{"key": "all/bench/data/list.csv.gz", "size": len(content),
                   "MD5checksum": hashlib.md5(content).hexdigest()}],
    }).encode()
for file, text in [("manifest.json", manifest), ("manifest.checksum", hashlib.md5(manifest).hexdigest().encode())]:
    with open(f"{directory}/inventories/{name}/{file}", "wb") as output:
        output.write(text)
