#!/usr/bin/env python3
"""Makes a store and the same tree as ordinary files, to compare a mount with a local disk.

    filesystem-store.py STORE TREE [--directories 1000] [--files 100] [--large 50000] [--gigabytes 1]

The tree: DIRECTORIES directories of FILES small files, one directory of LARGE empty ones, one large file. The index is
written directly, as one sync of one inventory would have; the schema is read from the repository. A TREE of '-' is not made.
"""
import argparse
import hashlib
import json
import os
import random
import sqlite3
import uuid

parser = argparse.ArgumentParser()
parser.add_argument("store")
parser.add_argument("tree")
parser.add_argument("--directories", type=int, default=1000)
parser.add_argument("--files", type=int, default=100)
parser.add_argument("--large", type=int, default=50000)
parser.add_argument("--gigabytes", type=float, default=1)
options = parser.parse_args()

TIME = 1706745600000
TAKEN = 1709254800000
random.seed(1)

os.makedirs(options.store)
for name in ("tmp", "inventories", "quarantine", "blobs"):
    os.mkdir(f"{options.store}/{name}")
for byte in range(256):
    os.mkdir(f"{options.store}/blobs/{byte:02x}")
here = os.path.dirname(os.path.abspath(__file__))
database = sqlite3.connect(f"{options.store}/index.sqlite")
database.execute("PRAGMA journal_mode = WAL")
database.executescript(open(f"{here}/../schema/001-index.sql").read())
database.execute("CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
database.execute("INSERT INTO grdb_migrations VALUES ('001-index')")


class Directory:
    next_id = 2

    def __init__(self, parent, name):
        self.parent, self.name, self.slots = parent, name, 0
        if parent is None:
            self.id = 1
        else:
            self.id = Directory.next_id
            Directory.next_id += 1
            database.execute(
                "INSERT INTO entry (directory, name, slot, flags, validFrom, seenFrom, listedFrom, child)"
                " VALUES (?, ?, ?, 0, ?, 1, 1, ?)", (parent.id, name + "/", parent.slot(), TIME, self.id))

    def slot(self):
        self.slots += 1
        return self.slots

    def end(self):
        if self.parent is None:
            database.execute("UPDATE directory SET slots = ? WHERE id = 1", (self.slots,))
        else:
            database.execute("INSERT INTO directory VALUES (?, ?, ?, ?)",
                             (self.id, self.parent.id, self.name + "/", self.slots))

    def add(self, name, size, digest):
        version = "%016x%016x" % (random.getrandbits(64), random.getrandbits(64))
        database.execute(
            "INSERT INTO entry (directory, name, slot, flags, validFrom, seenFrom, listedFrom, size, lastModified,"
            " versionId, etag) VALUES (?, ?, ?, 8, ?, 1, 1, ?, ?, ?, ?)",
            (self.id, name, self.slot(), TIME, size, TIME, version, digest))


def put(path, content):
    if path.startswith("-/"):
        return
    with open(path, "wb") as file:
        file.write(content)
    os.utime(path, (TIME / 1000, TIME / 1000))


root = Directory(None, "")
keys = 0
total = 0
def make(path):
    if not path.startswith("-"):
        os.makedirs(path)


make(options.tree)
small = Directory(root, "small")
for number in range(options.directories):
    directory = Directory(small, f"d{number:04}")
    make(f"{options.tree}/small/d{number:04}")
    for file in range(options.files):
        content = os.urandom(random.randint(100, 6000))
        digest = hashlib.md5(content).digest()
        put(f"{options.store}/blobs/{digest.hex()[:2]}/{digest.hex()}-{len(content)}", content)
        put(f"{options.tree}/small/d{number:04}/file-{file:03}.json", content)
        directory.add(f"file-{file:03}.json", len(content), digest)
        keys += 1
        total += len(content)
    directory.end()
small.end()
if options.large:
    large = Directory(root, "large")
    make(f"{options.tree}/large")
    digest = hashlib.md5(b"").digest()
    for number in range(options.large):
        put(f"{options.tree}/large/chunk.{number}", b"")
        large.add(f"chunk.{number}", 0, digest)
        keys += 1
    large.end()
if options.gigabytes and options.tree != "-":
    digest = hashlib.md5()
    piece = os.urandom(1 << 20)
    count = int(options.gigabytes * 1024)
    temporary = f"{options.store}/tmp/big"
    with open(temporary, "wb") as file, open(f"{options.tree}/big.bin", "wb") as other:
        for _ in range(count):
            file.write(piece)
            other.write(piece)
            digest.update(piece)
    name = digest.hexdigest()
    os.rename(temporary, f"{options.store}/blobs/{name[:2]}/{name}-{count << 20}")
    root.add("big.bin", count << 20, digest.digest())
    keys += 1
    total += count << 20
root.end()
database.execute("INSERT INTO snapshot VALUES (1, '2024-03-01T01-00Z', ?, ?, x'00', 0, NULL, NULL, ?, ?, ?)",
                 (TAKEN, TAKEN, keys, keys, total))
database.execute("INSERT INTO entry (directory, name, slot, flags, validFrom, child) VALUES (0, '/', 1, 0, ?, 1)", (TIME,))
database.commit()
database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
json.dump({"format": 1, "storeId": str(uuid.uuid4()), "bucket": "bench", "createdAt": "2024-03-01T01:00:00Z"},
          open(f"{options.store}/icecore.json", "w"))
