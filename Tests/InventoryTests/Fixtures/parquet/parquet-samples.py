#!/usr/bin/python3
"""Writes Parquet files, and beside each NAME.parquet a NAME.txt with the values that went into it: a line a row, fields
apart by 0x1f, \\N for none, times in milliseconds. usage: parquet-samples.py DIRECTORY"""
import datetime
import os
import random
import sys

import pyarrow
import pyarrow.parquet

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from inventory_rows import SECOND, expect, rows  # noqa: E402

COLUMNS = [
    ("bucket", "text"), ("key", "text"), ("version_id", "text"), ("is_latest", "boolean"),
    ("is_delete_marker", "boolean"), ("size", "integer"), ("last_modified_date", "time"), ("e_tag", "text"),
    ("storage_class", "text"), ("is_multipart_uploaded", "boolean"), ("encryption_status", "text"),
    ("intelligent_tiering_access_tier", "text"),
]
TEXTS = [name for name, kind in COLUMNS if kind == "text"]
UNITS = {"s": 10 ** 9, "ms": 10 ** 6, "us": 10 ** 3, "ns": 1}
def arrays(table, columns, unit="ms", integer=pyarrow.int64(), text=pyarrow.string(), zone="UTC"):
    types = {"text": text, "boolean": pyarrow.bool_(), "integer": integer, "time": pyarrow.timestamp(unit, zone)}
    found = []
    for index, (_, kind) in enumerate(columns):
        values = [row[index] for row in table]
        if kind == "time":
            values = [None if value is None else value // UNITS[unit] for value in values]
        found.append(pyarrow.array(values, types[kind]))
    return found


def write(path, table, columns=COLUMNS, extra=None, required=(), unit="ms", integer=pyarrow.int64(),
          text=pyarrow.string(), zone="UTC", **options):
    table = list(table)
    columns = list(columns)
    data = arrays(table, columns, unit, integer, text, zone)
    fields = [pyarrow.field(name, array.type, name not in required) for (name, _), array in zip(columns, data)]
    for name, array in (extra or {}).items():
        data.insert(1, array)
        fields.insert(1, pyarrow.field(name, array.type))
    options.setdefault("write_page_checksum", True)
    pyarrow.parquet.write_table(pyarrow.table(data, schema=pyarrow.schema(fields)), path + ".parquet", **options)
    expect(path, table, columns)


def combinations(path):
    """Every version of pages, with and without dictionaries, in every compression, in small and large row groups."""
    for version in ("1.0", "2.0"):
        for dictionary in (True, False):
            for compression in ("none", "snappy", "gzip"):
                options = dict(data_page_version=version, use_dictionary=dictionary, compression=compression)
                name = "%s-%s-%s" % (version[0], "dictionary" if dictionary else "plain", compression)
                write(path(name + "-large"), rows(9000, 1), required=("bucket", "key"), **options)
                write(path(name + "-nulls"), rows(5000, 2, nulls=0.3), row_group_size=1000, **options)
                write(path(name + "-groups"), rows(100, 3, nulls=0.1), row_group_size=7, **options)
                # Pages of a few bytes, which end at other rows in each column.
                write(path(name + "-pages"), rows(2000, 4, nulls=0.02), row_group_size=1000, data_page_size=40,
                      write_batch_size=3, **options)


def deltas(path):
    encodings = {name: "DELTA_BYTE_ARRAY" if index % 2 else "DELTA_LENGTH_BYTE_ARRAY" for index, name in
                 enumerate(TEXTS)}
    other = {name: "DELTA_LENGTH_BYTE_ARRAY" if index % 2 else "DELTA_BYTE_ARRAY" for index, name in enumerate(TEXTS)}
    numbers = {"size": "DELTA_BINARY_PACKED", "last_modified_date": "DELTA_BINARY_PACKED"}
    booleans = {name: "RLE" for name, kind in COLUMNS if kind == "boolean"}
    for version in ("1.0", "2.0"):
        for name, texts in (("a", encodings), ("b", other)):
            options = dict(data_page_version=version, use_dictionary=False, column_encoding=texts | numbers | booleans)
            write(path("delta-%s-%s" % (version[0], name)), rows(9000, 5, nulls=0.1), compression="snappy", **options)
            write(path("delta-%s-%s-pages" % (version[0], name)), rows(1000, 6, nulls=0.1), compression="gzip",
                  data_page_size=60, write_batch_size=5, row_group_size=400, **options)


def integers(path):
    random.seed(5)
    sizes = [7] * 3000 + list(range(0, 9000, 3)) + list(range(1 << 40, (1 << 40) - 5000, -2))
    for bits in range(1, 64):
        sizes += [random.randrange(1 << bits) for _ in range(140)]
        sizes += [-random.randrange(1 << bits) for _ in range(40)]
    sizes += [(1 << 63) - 1, -(1 << 63), 0] * 100
    columns = [("key", "text"), ("size", "integer")]
    tables = {"all": sizes, "nulls": [None if number % 11 == 3 else size for number, size in enumerate(sizes)]}
    shorts = [size & 0xffffffff for size in sizes]
    for name, table in tables.items():
        for encoding in ("PLAIN", "DELTA_BINARY_PACKED"):
            options = dict(use_dictionary=False, column_encoding={"size": encoding})
            write(path("integers-%s-%s" % (name, encoding)), [("k", size) for size in table], columns, **options)
    for encoding in ("PLAIN", "DELTA_BINARY_PACKED"):
        options = dict(use_dictionary=False, column_encoding={"size": encoding})
        signed = [size - (1 << 32) if size >> 31 else size for size in shorts]
        write(path("shorts-" + encoding), [("k", size) for size in signed], columns, integer=pyarrow.int32(), **options)
        write(path("unsigned-" + encoding), [("k", size) for size in shorts], columns, integer=pyarrow.uint32(),
              **options)
    write(path("shorts-dictionary"), [("k", size) for size in signed], columns, integer=pyarrow.int32())
    write(path("unsigned-dictionary"), [("k", size) for size in shorts], columns, integer=pyarrow.uint32())
    write(path("bytes"), [("k", size % 100) for size in range(300)], columns, integer=pyarrow.int8())


def times(path):
    parts = [0, 1, 999, 1000, 999_000, 999_999, 1_000_000, 1_000_001, 500_000_000, 999_999_999]
    seconds = [0, 1, 1_420_070_400, 1_700_000_000, -1, -2, -86_400, -1_000_000_000, 4_102_444_800]
    table = [("k", second * SECOND + part) for second in seconds for part in parts]
    table += [("k", 1_400_000_000 * SECOND + number * 1_000_000) for number in range(3000)]
    columns = [("key", "text"), ("last_modified_date", "time")]
    for unit in ("ms", "us", "ns"):
        for zone in ("UTC", None):
            for dictionary in (True, False):
                name = "times-%s-%s-%s" % (unit, "utc" if zone else "local", "dictionary" if dictionary else "plain")
                # Version 1.0 of the format has the older names of types only, and no nanoseconds.
                write(path(name), table, columns, unit=unit, zone=zone, use_dictionary=dictionary,
                      version="2.6" if unit == "ns" or zone else "1.0")


def others(path):
    write(path("none-at-all"), [])
    write(path("one"), rows(1, 9), compression="snappy")
    write(path("all-null"), [(None,) * 12] * 5000)
    write(path("long"), [("bucket", letter * (1000 + number)) for letter in "aö" for number in range(300)],
          [("bucket", "text"), ("key", "text")], data_page_size=1024, write_batch_size=10)
    # A dictionary that becomes too large in the middle of a chunk.
    write(path("given-up"), rows(9000, 14), dictionary_pagesize_limit=20_000, compression="snappy")
    shuffled = list(range(len(COLUMNS)))
    random.seed(10)
    random.shuffle(shuffled)
    table = [tuple(row[index] for index in shuffled) for row in rows(1000, 11)]
    write(path("order"), table, [COLUMNS[index] for index in shuffled])
    write(path("small"), [row[:8] for row in rows(9, 16, nulls=0.2)], COLUMNS[:8], write_page_checksum=False,
          compression="snappy", store_schema=False)
    write(path("small-deltas"), [row[:8] for row in rows(9, 16, nulls=0.2)], COLUMNS[:8], write_page_checksum=False,
          compression="none", store_schema=False, use_dictionary=False, data_page_version="2.0", column_encoding={
              "bucket": "DELTA_BYTE_ARRAY", "key": "DELTA_BYTE_ARRAY", "version_id": "DELTA_LENGTH_BYTE_ARRAY",
              "size": "DELTA_BINARY_PACKED", "last_modified_date": "DELTA_BINARY_PACKED", "is_latest": "RLE"})
    fixed = [("bucket", "%08x" % (number // 7)) for number in range(3000)]
    for name, options in (("plain", dict(use_dictionary=False)), ("dictionary", {}),
                          ("delta", dict(use_dictionary=False, column_encoding={"key": "DELTA_BYTE_ARRAY"}))):
        data = [pyarrow.array([row[0] for row in fixed]), pyarrow.array([row[1].encode() for row in fixed],
                                                                        pyarrow.binary(8))]
        pyarrow.parquet.write_table(pyarrow.table(data, names=["bucket", "key"]), path("fixed-%s.parquet" % name),
                                    **options)
        expect(path("fixed-" + name), fixed, [("bucket", "text"), ("key", "text")])
    count = 5000
    for version in ("1.0", "2.0"):
        write(path("others-" + version[0]), rows(count, 12, nulls=0.05), extra={
            "decimal": pyarrow.array([number / 4 for number in range(count)]).cast(pyarrow.decimal128(20, 2)),
            "list": pyarrow.array([[1, 2]] * count), "row": pyarrow.array([{"key": "no", "size": 1}] * count),
            "map": pyarrow.array([[("key", 1)]] * count, pyarrow.map_(pyarrow.string(), pyarrow.int64())),
            "double": pyarrow.array([0.5] * count), "date": pyarrow.array([datetime.date(2024, 1, 1)] * count),
            "none": pyarrow.nulls(count),
        }, compression="gzip", data_page_version=version, row_group_size=1500)


def refused(path):
    small = list(rows(20, 13))
    for name in ("ZSTD", "LZ4", "BROTLI"):
        write(path("refused-" + name), small, compression=name)
    write(path("refused-INT96"), small, use_deprecated_int96_timestamps=True)
    write(path("refused-split"), small, use_dictionary=False, column_encoding={"size": "BYTE_STREAM_SPLIT"})


def main(directory):
    def path(name):
        return os.path.join(directory, name)

    combinations(path)
    deltas(path)
    integers(path)
    times(path)
    others(path)
    refused(path)


if __name__ == "__main__":
    main(sys.argv[1])
