"""A server that lists one bucket, as well or as badly as it is told. It has no contents.

usage: listing.py    Says {"port", "directory"} when it is ready, and stops at the end of standard input.

Commands are JSON objects, one a line on standard input; each is answered with one line:
  {"versions": [{"key", "versionId", "isLatest", "deleteMarker", "size", "lastModified", "etag"}]}    the bucket's, newest
                          first for each key; they replace those before
  {"generate": n, "shape": "hex" | "deep" | "flat" | "accents" | "versions" | "one"}    so many keys with one version each;
                          the last but one: of each key, 4,000 versions; the last: all are of one key, and none is held
  {"quirks": {...}}       replaces those before:
                          "pageSize"; "inclusive": markers are part of the answer; "oldestFirst"; "plain": keys are never
                          encoded; "repeatsMarker": says the marker that was sent; "stuck": the same page again and again;
                          "circle": begins anew after three pages; "separate": delete markers come after all versions;
                          "unavailable": probability of status 503; "noVersions": status 501, "ignoresVersions": a listing of
                          objects in its place; "noSecond": knows only ListObjects; "latency": seconds;
                          "delete": a key whose latest version goes as soon as a page has ended with it;
                          "cut": {"key", "page", "places"}: as soon as that page of several has ended with a version of the
                          key, the versions in these places, counted from the page's end, go; "forgets": of a marker whose
                          version has gone, the server "skips" the other versions of the key, or "restarts" the key;
                          "status": what ?versioning says; "reports": the XML of ?inventory
  {"statistics": true}    {"versions", "objects", "oldObjects", "refused", "most": in flight at a time}
"""

import asyncio
import bisect
import collections
import collections.abc
import hashlib
import json
import os
import random
import sys
import time
import urllib.parse
from xml.sax.saxutils import escape

import lifeline

directory = lifeline.new_directory("listing")
quirks = {}
counts = collections.Counter()
dice = random.Random(1)
in_flight = 0
answered = collections.Counter()


class Bucket:
    def __init__(self, rows):
        rows = sorted(rows, key=lambda row: row["key"].encode())
        self.rows = rows
        self.keys = [row["key"].encode() for row in rows]
        self.texts = {}
        # Where versions were that are deleted: as a marker, each still stands for its place.
        self.places = {}

    def place(self, version, start, end):
        """The place of a version among those of its key; None if there is no such version."""
        return next((place for place in range(start, end) if self.rows[place]["versionId"] == version), None)

    def ordered(self):
        if quirks.get("oldestFirst") and not getattr(self, "turned", False):
            groups = collections.OrderedDict()
            for row in self.rows:
                groups.setdefault(row["key"], []).insert(0, row)
            self.rows = [row for group in groups.values() for row in group]
            self.turned = True
        return self.rows

    def delete(self, gone):
        """Deletes a version for good."""
        rest = [row for row in self.rows if row["key"] == gone["key"] and row is not gone]
        if rest and gone["isLatest"]:
            (rest[-1] if getattr(self, "turned", False) else rest[0])["isLatest"] = True
        gap = next(place for place, row in enumerate(self.rows) if row is gone)
        self.places = {marker: place - (place > gap) for marker, place in self.places.items()}
        self.places[gone["key"], gone["versionId"]] = gap
        self.rows = [row for row in self.rows if row is not gone]
        self.keys = [row["key"].encode() for row in self.rows]
        self.texts = {}


class Made(collections.abc.Sequence):
    """A list whose elements are made when somebody looks at them."""

    def __init__(self, count, make):
        self.places, self.make = range(count), make

    def __len__(self):
        return len(self.places)

    def __getitem__(self, place):
        found = self.places[place]
        return self.make(found) if isinstance(found, int) else [self.make(each) for each in found]


class OneKey(Bucket):
    """Any number of versions of one key, a second apart."""

    def __init__(self, count):
        super().__init__([])
        self.rows = Made(count, self.version)
        self.keys = Made(count, lambda place: b"written/all the time")
        self.texts = None

    def place(self, version, start, end):
        place = int(version[1:])
        return place if start <= place < end else None

    @staticmethod
    def version(place):
        return {
            "key": "written/all the time", "versionId": f"v{place:031}", "isLatest": place == 0, "deleteMarker": False,
            "size": place, "lastModified": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(1767225600 - place)),
            "etag": f"{place:032x}"}


bucket = Bucket([])


def shown(key):
    return escape(key) if quirks.get("plain") else urllib.parse.quote(key, safe="/")


def entry(row, as_object):
    texts = {} if bucket.texts is None else bucket.texts
    known = texts.get((id(row), as_object))
    if known is None:
        kind = "Contents" if as_object else "DeleteMarker" if row["deleteMarker"] else "Version"
        text = f"<{kind}><Key>{shown(row['key'])}</Key>"
        if not as_object:
            text += f"<VersionId>{row['versionId']}</VersionId><IsLatest>{str(row['isLatest']).lower()}</IsLatest>"
        text += f"<LastModified>{row['lastModified']}</LastModified>"
        if not row["deleteMarker"]:
            text += (f"<ETag>&quot;{row['etag']}&quot;</ETag><Size>{row['size']}</Size>"
                     "<StorageClass>STANDARD</StorageClass>")
        if not as_object:
            text += "<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner>"
        known = texts[(id(row), as_object)] = f"{text}</{kind}>"
    return known


def beginning(query, marker_name):
    """The place of the first row of a page."""
    marker = query.get(marker_name, "")
    version = query.get("version-id-marker", "")
    if quirks.get("stuck") or not marker:
        return 0
    bucket.ordered()
    start = bisect.bisect_left(bucket.keys, marker.encode())
    end = bisect.bisect_right(bucket.keys, marker.encode())
    if version:
        place = bucket.place(version, start, end)
        if place is None:
            forgotten = {"skips": end, "restarts": start}
            return forgotten.get(quirks.get("forgets"), bucket.places.get((marker, version), end))
        return place if quirks.get("inclusive") else place + 1
    return start if quirks.get("inclusive") else end


def list_versions(query):
    rows = bucket.ordered()
    prefix = query.get("prefix", "")
    start = beginning(query, "key-marker")
    answered["pages"] += 1
    if quirks.get("circle") and answered["pages"] % 3 == 0:
        start = 0
    if prefix and not query.get("key-marker"):
        start = bisect.bisect_left(bucket.keys, prefix.encode())
    end = min(len(rows), start + quirks.get("pageSize", 1000))
    page = [row for row in rows[start:end] if row["key"].startswith(prefix)]
    is_truncated = end < len(rows) and len(page) == end - start
    text = f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>"
    if is_truncated:
        key, version = page[-1]["key"], page[-1]["versionId"]
        if quirks.get("repeatsMarker"):
            key, version = query.get("key-marker", ""), query.get("version-id-marker", "")
        text += f"<NextKeyMarker>{shown(key)}</NextKeyMarker><NextVersionIdMarker>{version}</NextVersionIdMarker>"
    listed = page
    if quirks.get("separate"):
        listed = [row for row in page if not row["deleteMarker"]] + [row for row in page if row["deleteMarker"]]
    text += "".join(entry(row, False) for row in listed)
    if not quirks.get("plain"):
        text += "<EncodingType>url</EncodingType>"
    if is_truncated and not prefix:
        delete_some(page)
    return f'<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>{text}</ListVersionsResult>'


def delete_some(page):
    """Deletes what is to go as soon as a page has ended with it."""
    last = page[-1]
    if last["key"] == quirks.get("delete") and last["isLatest"]:
        del quirks["delete"]
        bucket.delete(last)
    cut = quirks.get("cut")
    if cut and last["key"] == cut["key"]:
        cut["page"] -= 1
        if cut["page"] == 0:
            del quirks["cut"]
            for place in cut["places"]:
                bucket.delete(page[-place])


def list_objects(query, is_second):
    start = beginning(query, "start-after" if is_second else "marker")
    if is_second and "continuation-token" in query:
        start = int(query["continuation-token"])
    rows = [(place, row) for place, row in enumerate(bucket.rows) if row["isLatest"] and not row["deleteMarker"]]
    rows = [(place, row) for place, row in rows if place >= start]
    size = quirks.get("pageSize", 1000)
    page, is_truncated = rows[:size], len(rows) > size
    text = f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated><EncodingType>url</EncodingType>"
    if quirks.get("plain"):
        text = text.replace("<EncodingType>url</EncodingType>", "")
    if is_second:
        text += f"<KeyCount>{len(page)}</KeyCount>"
        if is_truncated:
            text += f"<NextContinuationToken>{rows[size][0]}</NextContinuationToken>"
    text += "".join(entry(row, True) for _, row in page)
    return f"<ListBucketResult><Name>b</Name>{text}</ListBucketResult>"


def answer(target):
    """Status and body."""
    query = dict(urllib.parse.parse_qsl(target.partition("?")[2], keep_blank_values=True))
    if "versioning" in query:
        status = quirks.get("status", "Enabled")
        text = f"<Status>{status}</Status>" if status else ""
        return 200, f"<VersioningConfiguration>{text}</VersioningConfiguration>"
    if "inventory" in query:
        if "reports" not in quirks:
            return 501, "<Error><Code>NotImplemented</Code><Message>No.</Message></Error>"
        return 200, quirks["reports"]
    if dice.random() < quirks.get("unavailable", 0):
        counts["refused"] += 1
        return 503, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
    if "versions" in query and quirks.get("noVersions"):
        counts["refused"] += 1
        return 501, "<Error><Code>NotImplemented</Code><Message>A header or query is not implemented.</Message></Error>"
    if "versions" in query and not quirks.get("ignoresVersions"):
        counts["versions"] += 1
        return 200, list_versions(query)
    if query.get("list-type") == "2" and not quirks.get("noSecond"):
        counts["objects"] += 1
        return 200, list_objects(query, True)
    counts["oldObjects"] += 1
    return 200, list_objects(query, False)


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, received):
        global in_flight
        self.buffer += received
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            in_flight += 1
            counts["most"] = max(counts["most"], in_flight)
            target = head.split(b" ", 2)[1].decode()
            if latency := quirks.get("latency"):
                asyncio.get_running_loop().call_later(latency, self.send, target)
            else:
                self.send(target)

    def send(self, target):
        global in_flight
        in_flight -= 1
        status, body = answer(target)
        content = body.encode()
        self.transport.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)


def made_key(number, digest, shape):
    if shape == "hex":
        return digest
    if shape == "flat":
        return f"one/prefix/chunk.{number}"
    if shape == "accents":
        folder = ("Żółw", "Ångström", "北京", "Ελλάδα", "写真/" + "かきくさたなはまやらわ山川田中本"[int(digest[0], 16)])[number % 5]
        return f"bilder/{folder}/{digest[:10]}.jpg"
    if shape == "versions":
        return f"written often/{number // 4000}"
    return f"data/2026/{number % 12 + 1:02}/{number % 28 + 1:02}/part-{digest[:12]}"


def generate(count, shape):
    for number in range(count):
        digest = hashlib.md5(str(number).encode()).hexdigest()
        age = number % 4000 if shape == "versions" else 0
        yield {
            "key": made_key(number, digest, shape), "versionId": digest[::-1], "isLatest": age == 0,
            "deleteMarker": False, "size": number, "lastModified": f"2026-01-02T03:{59 - age // 60 % 60:02}:05.000Z",
            "etag": digest}


def obey(command):
    global bucket, quirks, in_flight
    if "versions" in command:
        bucket = Bucket(command["versions"])
    if command.get("shape") == "one":
        bucket = OneKey(command["generate"])
    elif "generate" in command:
        bucket = Bucket(generate(command["generate"], command.get("shape", "hex")))
    if "quirks" in command:
        quirks = command["quirks"]
        bucket.texts = None if bucket.texts is None else {}
        counts.clear()
        in_flight = 0
    if "statistics" in command:
        names = ("versions", "objects", "oldObjects", "refused", "most")
        return {"statistics": {name: counts[name] for name in names}}
    return {}


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    reader = asyncio.StreamReader(limit=256 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    lifeline.say(port=server.sockets[0].getsockname()[1], directory=directory)
    while line := await reader.readline():
        lifeline.say(**obey(json.loads(line)))


try:
    asyncio.run(main())
finally:
    lifeline.shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)
