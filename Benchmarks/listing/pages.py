"""A server that makes up the pages of one bucket, which has as many versions as it is told, and nothing in memory.

usage: pages.py VERSIONS MILLISECONDS    Says {"port"} when it is ready; a line on standard input is answered with
                                         {"requests"} so far, and its end is the server's.

Each answer takes so many milliseconds. Keys have one version each, and look like `data/0012/0012345/part-…`.
"""

import asyncio
import bisect
import json
import os
import sys
import urllib.parse

COUNT, LATENCY = int(sys.argv[1]), int(sys.argv[2]) / 1000
PAGE = 1000
OWNER = "<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner>"
requests = 0


def key(number):
    return f"data/{number // 100000:04}/{number // 100:07}/part-{number * 2654435761 % (1 << 32):08x}-{number:09}"


def folder(number):
    return f"data/{number // 100000:04}/{number // 100:07}/"


def page(marker):
    """Numbers of the keys behind a marker, in the order of their names."""
    first = max(0, bisect.bisect_right(range((COUNT + 99) // 100), marker, key=lambda place: folder(100 * place)) - 1)
    found = []
    place = first
    while len(found) < PAGE and 100 * place < COUNT:
        numbers = sorted(range(100 * place, min(COUNT, 100 * place + 100)), key=key)
        found += [number for number in numbers if key(number) > marker] if place == first else numbers
        place += 1
    return found[:PAGE], len(found) > PAGE or 100 * place < COUNT


def answer(target):
    query = dict(urllib.parse.parse_qsl(target.partition("?")[2], keep_blank_values=True))
    if "versioning" in query:
        return "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    if "location" in query:
        return "<LocationConstraint/>"
    numbers, is_truncated = page(query.get("key-marker", ""))
    rows = "".join(
        f"<Version><Key>{key(number)}</Key><VersionId>v{number:031}</VersionId><IsLatest>true</IsLatest>"
        f"<LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;{number:032x}&quot;</ETag><Size>{number}</Size>"
        f"<StorageClass>STANDARD</StorageClass>{OWNER}</Version>"
        for number in numbers)
    end = ""
    if is_truncated:
        end = f"<NextKeyMarker>{key(numbers[-1])}</NextKeyMarker><NextVersionIdMarker>v{numbers[-1]:031}</NextVersionIdMarker>"
    return ('<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>bench</Name><Prefix></Prefix><KeyMarker></KeyMarker><MaxKeys>1000</MaxKeys>"
            f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>{end}<EncodingType>url</EncodingType>{rows}"
            "</ListVersionsResult>")


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, received):
        self.buffer += received
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            asyncio.get_running_loop().call_later(LATENCY, self.send, target)

    def send(self, target):
        global requests
        requests += 1
        content = answer(target).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(content) + content)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    while await reader.readline():
        print(json.dumps({"requests": requests}), flush=True)


asyncio.run(main())
os._exit(0)
