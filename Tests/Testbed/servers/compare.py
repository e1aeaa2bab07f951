"""Compares a bucket as 'icecore serve' has it with the bucket itself, through boto3.

usage: compare.py ORIGINAL SERVED BUCKET     (endpoints; credentials from the environment)
Prints one JSON object: what was compared, and the differences that were found.
"""

import json
import sys

import boto3
import botocore
from botocore.config import Config


def client(endpoint):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}, region_name="us-east-1")
    return boto3.client("s3", endpoint_url=endpoint, config=config)


original, served = client(sys.argv[1]), client(sys.argv[2])
bucket = sys.argv[3]
differences = []
counts = {}


def differ(*what):
    if len(differences) < 20:
        differences.append(" ".join(repr(part) for part in what)[:600])


def count(name):
    counts[name] = counts.get(name, 0) + 1


def second(time):
    return int(time.timestamp())


def objects(page):
    return [
        (item["Key"], item["ETag"], item["Size"], second(item["LastModified"])) for item in page.get("Contents", [])
    ]


def versions(page):
    found = [
        (item["Key"], item["VersionId"], item["IsLatest"], item["ETag"], item["Size"], second(item["LastModified"]))
        for item in page.get("Versions", [])
    ]
    found += [
        (item["Key"], item["VersionId"], item["IsLatest"], None, None, second(item["LastModified"]))
        for item in page.get("DeleteMarkers", [])
    ]
    return found


def prefixes(page):
    return [item["Prefix"] for item in page.get("CommonPrefixes", [])]


def rolled(keys, prefix, delimiter):
    """What S3 lists, by its own definition."""
    listed = []
    for key in keys:
        if not key.startswith(prefix):
            continue
        place = key.find(delimiter, len(prefix)) if delimiter else -1
        item = (key[: place + len(delimiter)], True) if place >= 0 else (key, False)
        if not listed or listed[-1] != item:
            listed.append(item)
    return listed


def walk(call, size, **words):
    """All pages of a listing, as items in order; each page must be full, and sorted."""
    items, token = [], {}
    while True:
        page = getattr(served, call)(Bucket=bucket, MaxKeys=size, **words, **token)
        found = [(item["Key"], False) for item in page.get("Contents", [])]
        found += [(item, True) for item in prefixes(page)]
        found.sort(key=lambda item: item[0].encode())
        if call == "list_objects_v2" and page["KeyCount"] != len(found):
            differ("KeyCount", page["KeyCount"], len(found))
        items += found
        count("pages")
        if not page["IsTruncated"]:
            return items
        if len(found) != size:
            differ("page of", len(found), "for", size)
        if call == "list_objects_v2":
            token = {"ContinuationToken": page["NextContinuationToken"]}
        else:
            token = {"Marker": page.get("NextMarker") or found[-1][0]}


def all_pages(s3, call, **words):
    return list(s3.get_paginator(call).paginate(Bucket=bucket, **words))


current = [item for page in all_pages(original, "list_objects_v2") for item in objects(page)]
for call in ["list_objects_v2", "list_objects"]:
    here = [item for page in all_pages(served, call) for item in objects(page)]
    if current != here:
        differ(call, [item for item in current if item not in here][:3], [item for item in here if item not in current][:3])
keys = [item[0] for item in current]
keys.sort(key=str.encode)
delimiters = ["", "/", "e", "//", "a/", " "]
beginnings = {"", "a", "d/", "d", "/", "parts/", "same/1", "none"} | {key[:2] for key in keys[::9]}
for prefix in sorted(beginnings):
    for delimiter in delimiters:
        expected = rolled(keys, prefix, delimiter)
        for call, size in [("list_objects_v2", 1000), ("list_objects_v2", 7), ("list_objects", 5)]:
            # A key may end where the next one begins: boto3 sorts what it shows, and pages are compared as a whole.
            found = walk(call, size, Prefix=prefix, **({"Delimiter": delimiter} if delimiter else {}))
            if sorted(expected) != sorted(found):
                differ(call, size, prefix, delimiter, set(expected) ^ set(found))

there = [item for page in all_pages(original, "list_object_versions") for item in versions(page)]
for size in [1000, 3]:
    here = []
    for page in all_pages(served, "list_object_versions", PaginationConfig={"PageSize": size}):
        here += versions(page)
    if sorted(map(repr, there)) != sorted(map(repr, here)):
        extra, lacking = set(here) - set(there), set(there) - set(here)
        differ("versions", size, "lacking", sorted(lacking, key=repr)[:3], "extra", sorted(extra, key=repr)[:3])
    if len(here) != len(set(here)):
        differ("a version twice")

KEPT = [
    "ContentLength", "ETag", "ContentType", "ContentEncoding", "ContentDisposition", "ContentLanguage", "CacheControl",
    "ExpiresString", "Metadata", "LastModified", "AcceptRanges", "TagCount", "ContentRange", "PartsCount",
]


def compare(name, **words):
    answers = []
    for s3 in [original, served]:
        try:
            answer = getattr(s3, name)(Bucket=bucket, **words)
            body = answer["Body"].read() if "Body" in answer else None
            status = answer["ResponseMetadata"]["HTTPStatusCode"]
            answers.append((status, {field: answer.get(field) for field in KEPT}, body))
        except botocore.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # A HEAD has no document, and its code is the status.
            answers.append((status, error.response["Error"]["Code"] if name == "get_object" else None, None))
    count(name)
    if answers[0] != answers[1]:
        differ(name, words, answers[0][:2], answers[1][:2])


for place, (key, version, _, etag, size, time) in enumerate(sorted(there, key=repr)):
    # A delete marker by its id: 405 at AWS, 404 at Ceph and moto.
    if etag is None:
        continue
    compare("get_object", Key=key, VersionId=version)
    compare("head_object", Key=key, VersionId=version)
    if place % 5 == 0 or size > 1000000:
        # Ceph answers "bytes=-0" with the whole, and "bytes=3-1" with 416; AWS the other way round.
        for span in ["bytes=0-3", "bytes=2-", "bytes=-4", "bytes=1-99999999", "bytes=99999999-"]:
            if size > 0:
                compare("get_object", Key=key, VersionId=version, Range=span)
for place, (key, etag, size, time) in enumerate(current):
    compare("get_object", Key=key)
    if place % 7 == 0:
        compare("get_object", Key=key, IfMatch=etag)
        compare("get_object", Key=key, IfMatch='"0"')
        compare("get_object", Key=key, IfNoneMatch=etag)
        compare("get_object", Key=key, IfNoneMatch='"0"')
        compare("get_object", Key=key + "-none")
        compare("head_object", Key=key + "-none")

print(json.dumps({"counts": counts, "objects": len(current), "versions": len(there), "differences": differences}))
