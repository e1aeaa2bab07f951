#!/usr/bin/env python3
"""Writes an inventory in CSV again in another format, with the settings that AWS's own reports have: Parquet with Snappy,
pages of version 1 of 1 MiB and dictionaries; ORC with ZLIB in blocks of 256 KiB. One list file for each that there was.

usage: convert.py SOURCE TARGET parquet|orc     directories with <date>/manifest.json and data/"""
import hashlib
import json
import os
import sys
import urllib.parse

import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.orc
import pyarrow.parquet

NAMES = {"Bucket": "bucket", "Key": "key", "VersionId": "version_id", "IsLatest": "is_latest",
         "IsDeleteMarker": "is_delete_marker", "Size": "size", "LastModifiedDate": "last_modified_date", "ETag": "e_tag",
         "StorageClass": "storage_class", "IsMultipartUploaded": "is_multipart_uploaded",
         "EncryptionStatus": "encryption_status"}
KINDS = {"IsLatest": pyarrow.bool_(), "IsDeleteMarker": pyarrow.bool_(), "Size": pyarrow.int64(),
         "LastModifiedDate": pyarrow.timestamp("ms"), "IsMultipartUploaded": pyarrow.bool_()}


def read(path, columns):
    kinds = {name: KINDS.get(name, pyarrow.string()) for name in columns}
    table = pyarrow.csv.read_csv(
        path, pyarrow.csv.ReadOptions(column_names=columns, block_size=64 << 20),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=kinds, timestamp_parsers=["%Y-%m-%dT%H:%M:%S.000Z", pyarrow.csv.ISO8601], null_values=[""],
            strings_can_be_null=True, quoted_strings_can_be_null=True))
    keys = table["Key"]
    if pyarrow.compute.any(pyarrow.compute.match_substring_regex(keys, "[%+]")).as_py():
        keys = pyarrow.chunked_array([[urllib.parse.unquote_plus(key) for key in keys.to_pylist()]])
        table = table.set_column(columns.index("Key"), "Key", keys)
    return table.rename_columns([NAMES[name] for name in columns])


def main():
    source, target, form = sys.argv[1:]
    os.makedirs(target + "/data", exist_ok=True)
    for name in sorted(os.listdir(source)):
        if not os.path.exists(f"{source}/{name}/manifest.json"):
            continue
        with open(f"{source}/{name}/manifest.json") as file:
            manifest = json.load(file)
        columns = [column.strip() for column in manifest["fileSchema"].split(",")]
        for entry in manifest["files"]:
            table = read(f"{source}/data/" + os.path.basename(entry["key"]), columns)
            entry["key"] = entry["key"].replace(".csv.gz", "." + form)
            path = f"{target}/data/" + os.path.basename(entry["key"])
            if form == "parquet":
                pyarrow.parquet.write_table(
                    table, path, compression="snappy", data_page_version="1.0", row_group_size=1_000_000,
                    write_page_checksum=True)
            else:
                pyarrow.orc.write_table(
                    table, path, compression="zlib", compression_block_size=256 << 10, stripe_size=64 << 20,
                    dictionary_key_size_threshold=0.8)
            digest = hashlib.md5()
            with open(path, "rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
            entry["size"] = os.path.getsize(path)
            entry["MD5checksum"] = digest.hexdigest()
        manifest["fileFormat"] = {"parquet": "Parquet", "orc": "ORC"}[form]
        text = json.dumps(manifest).encode()
        os.makedirs(f"{target}/{name}", exist_ok=True)
        with open(f"{target}/{name}/manifest.json", "wb") as file:
            file.write(text)
        with open(f"{target}/{name}/manifest.checksum", "w") as file:
            file.write(hashlib.md5(text).hexdigest() + "\n")


main()
