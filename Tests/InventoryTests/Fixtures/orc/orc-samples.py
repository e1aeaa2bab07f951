#!/usr/bin/python3
"""Writes ORC files, and beside each NAME.orc a NAME.txt with the values that went into it: a line a row, fields apart by
0x1f, \\N for none, times in milliseconds. usage: orc-samples.py DIRECTORY"""
import os
import random
import sys

import pyarrow
import pyarrow.orc
import pyorc

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from inventory_rows import SECOND, expect, rows  # noqa: E402

COLUMNS = [
    ("bucket", "string"), ("key", "string"), ("version_id", "string"), ("is_latest", "boolean"),
    ("is_delete_marker", "boolean"), ("size", "bigint"), ("last_modified_date", "timestamp"), ("e_tag", "string"),
    ("storage_class", "string"), ("is_multipart_uploaded", "boolean"), ("encryption_status", "string"),
    ("intelligent_tiering_access_tier", "string"),
]


class Nanoseconds(pyorc.converters.ORCConverter):
    """Times are whole numbers of nanoseconds since 1970."""

    @staticmethod
    def from_orc(seconds, nanoseconds, timezone):
        return seconds * SECOND + nanoseconds

    @staticmethod
    def to_orc(value, timezone):
        return value // SECOND, value % SECOND


def write(path, table, columns=COLUMNS, **options):
    """By the C++ writer, through pyorc."""
    table = list(table)
    schema = "struct<%s>" % ",".join("%s:%s" % column for column in columns)
    converters = {pyorc.TypeKind.TIMESTAMP: Nanoseconds, pyorc.TypeKind.TIMESTAMP_INSTANT: Nanoseconds}
    with open(path + ".orc", "wb") as file:
        with pyorc.Writer(file, schema, converters=converters, **options) as writer:
            writer.writerows(table)
    expect(path, table, columns)


def write_arrow(path, table, columns=COLUMNS, extra=None, **options):
    """By the C++ writer, through Arrow, which offers other settings."""
    table = list(table)
    types = {
        "string": pyarrow.string(), "boolean": pyarrow.bool_(), "bigint": pyarrow.int64(), "int": pyarrow.int32(),
        "timestamp": pyarrow.timestamp("ns"),
    }
    arrays = [
        pyarrow.array([row[index] for row in table], types[kind]) for index, (_, kind) in enumerate(columns)
    ]
    names = [name for name, _ in columns]
    for name, array in (extra or {}).items():
        arrays.insert(1, array)
        names.insert(1, name)
    pyarrow.orc.write_table(pyarrow.table(arrays, names=names), path + ".orc", **options)
    expect(path, table, columns)


def integers(path, **options):
    """Sizes in every kind of run: repeated, rising, falling, random of each width, and small with a few large."""
    random.seed(5)
    sizes = [7] * 5 + [7] * 3000 + list(range(0, 9000, 3)) + list(range(1 << 40, (1 << 40) - 5000, -2))
    for bits in range(1, 64):
        sizes += [random.randrange(1 << bits) for _ in range(40)]
    for large in (20, 33, 48, 62):
        sizes += [1 << large if number % 97 == 50 else random.randrange(200) for number in range(2000)]
        sizes += [-random.randrange(200) if number % 61 else -(1 << large) for number in range(1000)]
        # Gaps of more than 255 between the large ones.
        sizes += [1 << large if number in (0, 300, 511) else random.randrange(60) for number in range(512)]
    value = 0
    for number in range(3000):
        value += random.randrange(1000)
        sizes.append(value)
    sizes += [(1 << 63) - 1, -(1 << 63)] * 300
    for name, table in (("all", sizes), ("nulls", [None if number % 11 == 3 else size
                                                  for number, size in enumerate(sizes)])):
        columns = [("key", "string"), ("size", "bigint")]
        pairs = [("k", size) for size in table]
        write(path + "-" + name, pairs, columns, **options)
        write_arrow(path + "-" + name + "-v1", pairs, columns, file_version="0.11")


def times(path):
    parts = [0, 1, 999, 1000, 999_000, 999_999, 1_000_000, 1_000_001, 120_000_000, 500_000_000, 999_000_000,
             999_999_999]
    # Not the second before 1970: there the writers' rounding loses the sign.
    seconds = [0, 1, 1_420_070_399, 1_420_070_400, 1_420_070_401, 1_700_000_000, -2, -3, -86_400, -1_000_000_000,
               4_102_444_800]
    table = [("k", second * SECOND + part) for second in seconds for part in parts]
    table += [("k", 1_400_000_000 * SECOND + number * 1_000_000) for number in range(5000)]
    for kind in ("timestamp", "timestamp with local time zone"):
        columns = [("key", "string"), ("last_modified_date", kind)]
        name = path + ("-instant" if kind != "timestamp" else "")
        write(name, table, columns)
        expect(name, table, [("key", "string"), ("last_modified_date", "timestamp")])
    # Arrow gives times before 1970 negative nanoseconds, which nobody but Arrow understands.
    columns = [("key", "string"), ("last_modified_date", "timestamp")]
    write_arrow(path + "-v1", [row for row in table if row[1] >= 0], columns, file_version="0.11",
                compression="snappy")


def main(directory):
    def path(name):
        return os.path.join(directory, name)

    kinds = {"none": pyorc.CompressionKind.NONE, "zlib": pyorc.CompressionKind.ZLIB,
             "snappy": pyorc.CompressionKind.SNAPPY}
    for name, kind in kinds.items():
        write(path("plain-" + name), rows(9000, 1), compression=kind)
        write(path("dictionary-" + name), rows(9000, 2), compression=kind, dict_key_size_threshold=1.0)
        write(path("nulls-" + name), rows(5000, 3, nulls=0.3), compression=kind, dict_key_size_threshold=0.5)
        write(path("small-blocks-" + name), rows(5000, 4, nulls=0.01), compression=kind, compression_block_size=256,
              memory_block_size=256, stripe_size=60_000, batch_size=100)
    write(path("best"), rows(5000, 5), compression_strategy=pyorc.CompressionStrategy.COMPRESSION,
          compression_block_size=256 << 10)
    write_arrow(path("arrow-v1"), rows(5000, 6, nulls=0.1), file_version="0.11", dictionary_key_size_threshold=0.6)
    write_arrow(path("arrow-zlib"), rows(5000, 7, nulls=0.1), compression="zlib", compression_block_size=1 << 20)
    write_arrow(path("arrow-stripes"), rows(20_000, 8), compression="snappy", stripe_size=100_000, batch_size=500)
    write(path("none-at-all"), [])
    write(path("one"), rows(1, 9))
    write(path("all-null"), [(None,) * 12] * 5000)
    write(path("long"), [("bucket", letter * (1000 + number)) for letter in "aö" for number in range(300)],
          [("bucket", "string"), ("key", "string")], compression_block_size=1024, memory_block_size=1024)
    shuffled = list(range(len(COLUMNS)))
    random.seed(10)
    random.shuffle(shuffled)
    table = [tuple(row[index] for index in shuffled) for row in rows(1000, 11)]
    write(path("order"), table, [COLUMNS[index] for index in shuffled])
    integers(path("integers"))
    times(path("times"))
    count = 5000
    write_arrow(path("others"), rows(count, 12, nulls=0.05), extra={
        "decimal": pyarrow.array([number / 4 for number in range(count)]).cast(pyarrow.decimal128(20, 2)),
        "list": pyarrow.array([[1, 2]] * count), "row": pyarrow.array([{"key": "no", "size": 1}] * count),
        "double": pyarrow.array([0.5] * count),
    }, compression="zlib")
    small = list(rows(20, 13))
    for name in ("ZSTD", "LZ4"):
        write(path("refused-" + name), small, compression=pyorc.CompressionKind[name])
    import zoneinfo
    write(path("refused-zone"), small, timezone=zoneinfo.ZoneInfo("Europe/Berlin"))


if __name__ == "__main__":
    main(sys.argv[1])
