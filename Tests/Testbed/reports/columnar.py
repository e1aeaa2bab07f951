#!/usr/bin/python3
"""Writes the inventories of a directory in another format, beside them or in their place, as one of the many writers of
that format might. usage: columnar.py SOURCE TARGET FORMAT SEED [NAME …]

FORMAT is parquet, orc, or mixed: then each inventory is in one of the three. SOURCE and TARGET may be the same directory.
The same seed gives the same choices. With NAMEs, only those inventories are written."""
import csv
import datetime
import gzip
import hashlib
import io
import json
import os
import random
import sys
import urllib.parse
import zoneinfo

import pyarrow
import pyarrow.parquet
import pyorc

NAMES = {
    "Bucket": ("bucket", "text"), "Key": ("key", "text"), "VersionId": ("version_id", "text"),
    "IsLatest": ("is_latest", "boolean"), "IsDeleteMarker": ("is_delete_marker", "boolean"), "Size": ("size", "number"),
    "LastModifiedDate": ("last_modified_date", "time"), "ETag": ("e_tag", "text"),
    "IsMultipartUploaded": ("is_multipart_uploaded", "boolean"), "StorageClass": ("storage_class", "text"),
    "EncryptionStatus": ("encryption_status", "text"), "ObjectAccessControlList": ("object_access_control_list", "text"),
    "IntelligentTieringAccessTier": ("intelligent_tiering_access_tier", "text"),
}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def value(column, text):
    kind = NAMES[column][1]
    if column == "Key":
        return urllib.parse.unquote_plus(text, errors="strict")
    if text == "" or (column == "VersionId" and text == "null"):
        return None
    if kind == "boolean":
        return text == "true"
    if kind == "number":
        return int(text)
    if kind == "time":
        time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (time - EPOCH) // datetime.timedelta(milliseconds=1)
    return text


class Milliseconds(pyorc.converters.ORCConverter):
    """Times are whole numbers of milliseconds since 1970."""

    @staticmethod
    def from_orc(seconds, nanoseconds, timezone):
        return seconds * 1000 + nanoseconds // 1_000_000

    @staticmethod
    def to_orc(value, timezone):
        return value // 1000, value % 1000 * 1_000_000


def write_parquet(path, columns, rows, choose):
    unit = choose.choice(["ms", "ms", "us", "ns"])
    factor = {"ms": 1, "us": 1000, "ns": 1_000_000}[unit]
    # An instant in nanoseconds must fit into 64 bits.
    if any(abs(row[index] or 0) > 9_000_000_000_000 for row in rows for index, column in enumerate(columns)
           if NAMES[column][1] == "time"):
        unit, factor = "ms", 1
    kinds = {"text": pyarrow.string(), "boolean": pyarrow.bool_(), "number": pyarrow.int64(),
             "time": pyarrow.timestamp(unit, tz=choose.choice([None, "UTC"]))}
    arrays, fields = [], []
    for index, column in enumerate(columns):
        name, kind = NAMES[column]
        values = [row[index] for row in rows]
        if kind == "time":
            values = [None if value is None else value * factor for value in values]
            array = pyarrow.array(values, pyarrow.int64()).cast(kinds[kind])
        else:
            array = pyarrow.array(values, kinds[kind])
        arrays.append(array)
        fields.append(pyarrow.field(name, kinds[kind], nullable=column not in ("Bucket", "Key")))
    table = pyarrow.table(arrays, schema=pyarrow.schema(fields))
    options = {
        "compression": choose.choice(["snappy", "snappy", "gzip", "none"]),
        "data_page_version": choose.choice(["1.0", "1.0", "2.0"]),
        "use_dictionary": choose.choice([True, True, False, ["bucket", "storage_class"]]),
        "row_group_size": choose.choice([7, 1000, 1 << 20]),
        "write_page_checksum": choose.random() < 0.5,
        "write_statistics": choose.random() < 0.5,
        "version": "2.6",
    }
    if choose.random() < 0.4:
        options["data_page_size"] = choose.choice([1, 40, 300])
        options["write_batch_size"] = choose.choice([1, 5, 64])
    if options["use_dictionary"] is False and choose.random() < 0.5:
        options["column_encoding"] = {
            NAMES[column][0]: choose.choice(
                {"text": ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"], "boolean": ["PLAIN", "RLE"],
                 "number": ["PLAIN", "DELTA_BINARY_PACKED"], "time": ["PLAIN", "DELTA_BINARY_PACKED"]}[NAMES[column][1]])
            for column in columns}
    pyarrow.parquet.write_table(table, path, **options)


def write_orc(path, columns, rows, choose):
    kinds = {"text": "string", "boolean": "boolean", "number": "bigint", "time": "timestamp"}
    schema = ",".join("%s:%s" % (NAMES[column][0], kinds[NAMES[column][1]]) for column in columns)
    with open(path, "wb") as file:
        writer = pyorc.Writer(
            file, "struct<%s>" % schema,
            compression=choose.choice(
                [pyorc.CompressionKind.ZLIB, pyorc.CompressionKind.NONE, pyorc.CompressionKind.SNAPPY]),
            compression_block_size=choose.choice([1 << 16, 1 << 18]), memory_block_size=1 << 16,
            batch_size=choose.choice([5, 64, 1024]), stripe_size=choose.choice([1, 1 << 12, 1 << 26]),
            row_index_stride=choose.choice([0, 1000, 10000]),
            dict_key_size_threshold=choose.choice([0.0, 0.5, 1.0]),
            converters={pyorc.TypeKind.TIMESTAMP: Milliseconds}, timezone=zoneinfo.ZoneInfo("UTC"))
        for row in rows:
            writer.write(tuple(row))
        writer.close()


def schema_of(columns, form, choose):
    """A manifest's fileSchema."""
    if choose.random() < 0.2:
        return "of a kind that nobody has seen yet"
    names = [NAMES[column][0] for column in columns]
    if choose.random() < 0.2:
        names = [name.replace("_", "") for name in names]
    if form == "ORC":
        return "struct<%s>" % ",".join(name + ":string" for name in names)
    return "message s3.inventory { %s }" % " ".join(" optional binary %s (UTF8);" % name for name in names)


def write(source, target, name, form, choose):
    with open(os.path.join(source, name, "manifest.json"), "rb") as file:
        manifest = json.load(file)
    if form == "CSV":
        if source == target:
            return
        raise SystemExit("inventories in CSV are what they are already")
    original = [column.strip() for column in manifest["fileSchema"].split(",")]
    columns = original[:]
    if choose.random() < 0.5:
        choose.shuffle(columns)
    os.makedirs(os.path.join(target, "data"), exist_ok=True)
    for entry in manifest["files"]:
        place = os.path.join(source, "data", os.path.basename(entry["key"]))
        with gzip.open(place, "rb") as file:
            text = io.StringIO(file.read().decode("utf-8"), newline="")
        rows = []
        for row in csv.reader(text):
            fields = dict(zip(original, row))
            rows.append([value(column, fields[column]) for column in columns])
        ending = ".parquet" if form == "Parquet" else ".orc"
        entry["key"] = entry["key"].replace(".csv.gz", ending)
        path = os.path.join(target, "data", os.path.basename(entry["key"]))
        (write_parquet if form == "Parquet" else write_orc)(path, columns, rows, choose)
        if source == target:
            os.remove(place)
        with open(path, "rb") as file:
            content = file.read()
        entry["size"] = len(content)
        entry["MD5checksum"] = hashlib.md5(content).hexdigest()
    manifest["fileFormat"] = form
    manifest["fileSchema"] = schema_of(columns, form, choose)
    content = json.dumps(manifest, indent=2).encode()
    os.makedirs(os.path.join(target, name), exist_ok=True)
    with open(os.path.join(target, name, "manifest.json"), "wb") as file:
        file.write(content)
    with open(os.path.join(target, name, "manifest.checksum"), "w") as file:
        file.write(hashlib.md5(content).hexdigest() + "\n")


def main():
    source, target, form, seed = sys.argv[1:5]
    names = sys.argv[5:] or sorted(
        name for name in os.listdir(source) if os.path.exists(os.path.join(source, name, "manifest.json")))
    for name in names:
        choose = random.Random("%s %s %s" % (seed, form, name))
        spelled = {"parquet": "Parquet", "orc": "ORC"}.get(form) or choose.choice(["CSV", "Parquet", "ORC"])
        write(source, target, name, spelled, choose)


main()
