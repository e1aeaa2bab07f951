"""Speaks to a server as no client should.

usage: rough.py PORT BUCKET KEY SIZE     (KEY has SIZE bytes, some MiB)
Prints one JSON object: by case, what came.
"""

import json
import socket
import sys
import time

port, bucket, key, size = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])


def connect():
    link = socket.create_connection(("127.0.0.1", port), timeout=60)
    return link


def read_all(link):
    data = b""
    try:
        while True:
            piece = link.recv(1 << 16)
            if not piece:
                return data
            data += piece
    except (ConnectionResetError, TimeoutError):
        return data


def status(data):
    line = data.split(b"\r\n", 1)[0].decode(errors="replace")
    return line.split(" ")[1] if line.startswith("HTTP/1.1 ") else f"nothing: {line[:40]}"


def ask(request, half_close=False):
    link = connect()
    try:
        link.sendall(request)
    except (ConnectionResetError, BrokenPipeError):
        pass
    if half_close:
        link.shutdown(socket.SHUT_WR)
    data = read_all(link)
    link.close()
    return status(data)


def get(path, *headers, method="GET", close=True):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers] + (["Connection: close"] if close else [])
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def pipelined():
    """Many requests at once: as many answers, in their order."""
    link = connect()
    count = 200
    link.sendall(b"".join(get(f"/{bucket}/none-{n}", close=n == count - 1) for n in range(count)))
    data = read_all(link).decode()
    order = [int(part.split("</Key>")[0]) for part in data.split("<Key>none-")[1:]]
    return "in order" if order == list(range(count)) else f"{order[:20]}"


def slow_reader():
    """Takes a large body with pauses: all of it comes."""
    link = connect()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    link.sendall(get(f"/{bucket}/{key}"))
    data = b""
    for _ in range(20):
        data += link.recv(4096)
        time.sleep(0.05)
    data += read_all(link)
    return "whole" if len(data.split(b"\r\n\r\n", 1)[1]) == size else f"{len(data)} bytes"


def gone_reader():
    """Leaves in the middle; the server goes on."""
    for _ in range(20):
        link = connect()
        link.sendall(get(f"/{bucket}/{key}"))
        link.recv(1000)
        link.close()
    return ask(get(f"/{bucket}?max-keys=1"))


def expecting():
    """A client that asks before it sends a body is refused before it does."""
    link = connect()
    link.sendall(get(f"/{bucket}/x", "Content-Length: 5000000000", "Expect: 100-continue", method="PUT", close=False))
    answer = link.recv(1 << 16)
    link.close()
    return status(answer)


def uploading():
    """A body that nobody wants: the answer comes all the same."""
    return ask(get(f"/{bucket}/x", "Content-Length: 3000000", method="PUT", close=False) + b"x" * 3000000)


def kept():
    """A small body is read, and the connection goes on."""
    link = connect()
    link.sendall(get(f"/{bucket}?delete", "Content-Length: 5", method="POST", close=False) + b"abcde")
    first = link.recv(1 << 16)
    link.sendall(get(f"/{bucket}/none"))
    return status(first) + " " + status(read_all(link))


def bytewise():
    link = connect()
    for byte in get(f"/{bucket}/none"):
        link.sendall(bytes([byte]))
        time.sleep(0.002)
    return status(read_all(link))


cases = {
    "no request": ask(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n"),
    "no version": ask(b"GET /\r\n\r\n"),
    "two lengths": ask(get("/", "Content-Length: 1", "Content-Length: 2")),
    "length and chunks": ask(get("/", "Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    "a space in a name": ask(get("/", "Content-Length : 3")),
    "no host": ask(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
    "two hosts": ask(get("/", "Host: localhost")),
    "another host": ask(b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
    "a host that begins well": ask(b"GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\nConnection: close\r\n\r\n"),
    "a long header": ask(get("/", "X: " + "x" * 100_000)),
    "a long path": ask(get("/" + "x" * 100_000)),
    "many headers": ask(get("/", *[f"X-{n}: 1" for n in range(500)])),
    "many small headers of one name": ask(get("/", *["X: 1"] * 500)),
    "half a request, and the end": ask(b"GET / HT", half_close=True),
    "the end after a request": ask(get("/", close=False), half_close=True),
    "a bad percent": ask(get(f"/{bucket}/%zz")),
    "half a percent": ask(get(f"/{bucket}/%4")),
    "a NUL": ask(get(f"/{bucket}/a%00b")),
    "up": ask(get(f"/{bucket}/../../../../etc/passwd")),
    "encoded up": ask(get(f"/{bucket}/%2e%2e/%2e%2e/etc/passwd")),
    "a bucket that is a path": ask(get("/..%2f..%2fetc/passwd")),
    "a bucket that is not UTF-8": ask(get("/%ff%fe/x")),
    "a long key": ask(get(f"/{bucket}/" + "k" * 20_000)),
    "many parts of a query": ask(get(f"/{bucket}?" + "&".join("a=1" for _ in range(5000)))),
    "an absolute target": ask(get(f"http://localhost/{bucket}/none")),
    "an asterisk": ask(get("*", method="OPTIONS")),
    "CONNECT": ask(b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    "TRACE": ask(get("/", method="TRACE")),
    "an unknown method": ask(get("/", method="BREW")),
    "HTTP/1.0": ask(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"),
    "a line end in response-*": ask(get(f"/{bucket}/{key}?response-content-type=a%0d%0aX-Evil:%201")),
    "pipelined": pipelined(),
    "a slow reader": slow_reader(),
    "a reader that leaves": gone_reader(),
    "expecting": expecting(),
    "uploading": uploading(),
    "kept": kept(),
    "byte by byte": bytewise(),
}
print(json.dumps(cases))
