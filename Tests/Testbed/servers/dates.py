"""Lists what 'icecore serve' shows at many dates, and all versions.

usage: dates.py ENDPOINT NAME FILE     (FILE: one WHEN a line)
Prints one JSON object: by WHEN, the keys with their ETags, sizes and times, or null where there is no such bucket; and
under "versions" all versions in their order. Pages are small.
"""

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

endpoint, name, file = sys.argv[1:]


def plain(text):
    text = text.replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return text


def field(text, tag):
    found = re.search(f"<{tag}>(.*?)</{tag}>", text, re.S)
    return plain(found.group(1)) if found else None


def key(text):
    return urllib.parse.unquote_to_bytes(field(text, "Key").replace("+", " ")).hex()


def get(bucket, **query):
    query["encoding-type"] = "url"
    url = f"{endpoint}/{urllib.parse.quote(bucket, safe='')}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()


def at(when):
    items, token = [], {}
    while True:
        try:
            page = get(f"{name}--{when}", **{"list-type": "2", "max-keys": "7", **token})
        except urllib.error.HTTPError as error:
            if error.code == 404 and b"NoSuchBucket" in error.read():
                return None
            raise
        for item in re.findall("<Contents>(.*?)</Contents>", page, re.S):
            etag = (field(item, "ETag") or "").strip('"')
            items.append([key(item), etag, int(field(item, "Size")), field(item, "LastModified")])
        if field(page, "IsTruncated") == "false":
            return items
        token = {"continuation-token": field(page, "NextContinuationToken")}


def versions():
    items, token = [], {}
    while True:
        page = get(name, versions="", **{"max-keys": "5", **token})
        for kind, item in re.findall("<(Version|DeleteMarker)>(.*?)</(?:Version|DeleteMarker)>", page, re.S):
            items.append([key(item), kind == "DeleteMarker", field(item, "IsLatest") == "true", field(item, "VersionId"),
                          (field(item, "ETag") or "").strip('"')])
        if field(page, "IsTruncated") == "false":
            return items
        token = {"key-marker": urllib.parse.unquote_to_bytes(field(page, "NextKeyMarker").replace("+", " ")),
                 "version-id-marker": field(page, "NextVersionIdMarker")}


dates = {when: at(when) for when in open(file).read().split("\n") if when}
print(json.dumps({"dates": dates, "versions": versions()}))
