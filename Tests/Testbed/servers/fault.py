"""An S3-like server that misbehaves as told.

usage: fault.py [--tls]    Says {"port", "directory"} when it is ready, and stops at the end of standard input.
With --tls it speaks TLS, with a certificate of its own making for 127.0.0.1 in <directory>/certificate.pem.

What it serves:
  /<bucket>/<key>?versionId=V   the file data/<bucket>/.v/V; without versionId data/<bucket>/.c/<key as in the URL>
  /[<bucket>/]synthetic/<size>/<name>      so many bytes made up on the fly: the SHA-256 of "<size>/<name>", over and over
  canned answers, which come before everything else

Commands are JSON objects, one a line on standard input; each is answered with one line:
  {"faults": {...}}       probabilities: "status503" "status500" "cut" "wrong" "reset" "stall" (they exclude each other);
                          "latency": seconds before an answer, counted from the arrival of its request;
                          "alwaysWrong", "alwaysFail": lists of targets; "rate": bytes a second for each answer
  {"canned": {target: [{"status", "headers": [[name, value]], "body", "raw"}]}}    one after the other, the last stays
  {"checksums": {target: [[name, value]]}}    headers of whole objects, for who asks with x-amz-checksum-mode; they stay
  {"statistics": true}    {"requests", "connections", "inFlight", "streaming", "most", "bytes" of bodies,
                          "targets": {target: count}} since the last reset, and
                          "arrived": bytes that the clients' machine has acknowledged, heads too, since the start
  {"log": true}           the requests to canned targets: [{"method", "target", "headers"}]
  {"reset": true}         forgets counts, faults and canned answers
"""

import asyncio
import hashlib
import json
import os
import random
import socket
import ssl
import struct
import subprocess
import sys

import lifeline

directory = lifeline.new_directory("fault")
data = f"{directory}/data"
os.mkdir(data)
digests = {}
NOT_FOUND = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code><Message>No.</Message></Error>'
BUSY = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'
BROKEN = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>'
KINDS = ["status503", "status500", "cut", "wrong", "reset", "stall"]


class State:
    def __init__(self):
        self.checksums = {}
        self.reset()

    def reset(self):
        self.random = random.Random(1)
        self.faults = {}
        self.odds = []
        self.canned = {}
        self.log = []
        self.targets = {}
        self.requests = self.connections = self.in_flight = self.streaming = self.most = self.bytes = 0

    def set_faults(self, faults):
        self.faults = faults
        self.odds = [(kind, faults[kind]) for kind in KINDS if faults.get(kind)]

    def draw(self):
        if not self.odds:
            return None
        number = self.random.random()
        for kind, odds in self.odds:
            number -= odds
            if number < 0:
                return kind
        return None


state = State()


class Body:
    """Bytes of a file or of a made-up object."""

    def __init__(self, target):
        path, _, query = target.partition("?")
        parts = path.lstrip("/").split("/")
        self.file = self.block = None
        if "synthetic" in parts[:2] and parts[-2].isdigit():
            self.size = int(parts[-2])
            self.block = hashlib.sha256(f"{parts[-2]}/{parts[-1]}".encode()).digest() * 2048
            self.etag = None
            return
        bucket, _, key = path[1:].partition("/")
        version = dict(pair.partition("=")[::2] for pair in query.split("&")).get("versionId")
        name = f"{data}/{bucket}/.v/{version}" if version else f"{data}/{bucket}/.c/{key}"
        if "/../" in name or not name.startswith(data):
            raise FileNotFoundError
        self.file = open(name, "rb")
        status = os.fstat(self.file.fileno())
        self.size = status.st_size
        state_of_file = (name, status.st_ino, status.st_mtime_ns)
        if state_of_file not in digests:
            digests[state_of_file] = hashlib.md5(self.file.read()).hexdigest()
        self.etag = digests[state_of_file]

    def read(self, start, count):
        if self.file:
            return os.pread(self.file.fileno(), count, start)
        offset = start % 32
        return (self.block * (count // 65536 + 2))[offset:offset + count]


class Connection(asyncio.Protocol):
    living = set()
    ended = 0

    @classmethod
    def arrived(cls):
        return cls.ended + sum(connection.acknowledged() for connection in cls.living)

    def acknowledged(self):
        # tcpi_bytes_acked of Linux: what is still in buffers of this machine does not count.
        information = self.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
        return struct.unpack_from("Q", information, 120)[0]

    def connection_made(self, transport):
        Connection.living.add(self)
        state.connections += 1
        self.transport = transport
        self.buffer = b""
        self.room = asyncio.Event()
        self.room.set()
        self.queue = []

    def connection_lost(self, _):
        Connection.ended += self.acknowledged()
        Connection.living.discard(self)
        self.transport = None
        self.room.set()

    def pause_writing(self):
        self.room.clear()

    def resume_writing(self):
        self.room.set()

    def data_received(self, received):
        self.buffer += received
        while True:
            head, separator, rest = self.buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            lines = head.decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) if ": " in line else (line, "") for line in lines[1:])
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            method, target = lines[0].split(" ")[:2]
            state.requests += 1
            state.targets[target] = state.targets.get(target, 0) + 1
            state.in_flight += 1
            state.most = max(state.most, state.in_flight)
            latency = state.faults.get("latency")
            if latency:
                asyncio.get_running_loop().call_later(latency, self.answer, method, target, headers, lines)
            else:
                self.answer(method, target, headers, lines)

    def answer(self, method, target, headers, lines):
        state.in_flight -= 1
        if not self.transport:
            return
        if target in state.canned:
            pairs = [line.split(": ", 1) for line in lines[1:] if ": " in line]
            state.log.append({"method": method, "target": target, "headers": pairs})
            answers = state.canned[target]
            return self.send_canned(answers.pop(0) if len(answers) > 1 else answers[0], method)
        fault = "wrong" if target in state.faults.get("alwaysWrong", ()) else state.draw()
        if target in state.faults.get("alwaysFail", ()):
            fault = "status500"
        if fault == "reset":
            return self.transport.abort()
        if fault == "stall":
            return
        if fault == "status503":
            return self.send(503, BUSY, method)
        if fault == "status500":
            return self.send(500, BROKEN, method)
        try:
            body = Body(target)
        except OSError:
            return self.send(404, NOT_FOUND, method)
        start, end, status, extra = 0, body.size, 200, ""
        if headers.get("range", "").startswith("bytes="):
            first, _, last = headers["range"][6:].partition("-")
            start, end = int(first), min(int(last or body.size) + 1, body.size)
            if start >= body.size:
                return self.send(416, b"", method)
            status, extra = 206, f"Content-Range: bytes {start}-{end - 1}/{body.size}\r\n"
        if status == 200 and headers.get("x-amz-checksum-mode") == "enabled":
            extra += "".join(f"{name}: {value}\r\n" for name, value in state.checksums.get(target, ()))
        if body.etag:
            extra += f'ETag: "{body.etag}"\r\n'
        count = end - start
        head = f"HTTP/1.1 {status} OK\r\nContent-Length: {count}\r\n{extra}\r\n".encode()
        if method == "HEAD":
            self.transport.write(head)
        elif count <= 65536 and "rate" not in state.faults:
            content = body.read(start, count)
            if fault == "wrong" and content:
                content = content[:-1] + bytes([content[-1] ^ 1])
            if fault == "cut":
                self.transport.write(head + content[:count // 2])
                return self.transport.close()
            self.transport.write(head + content)
            state.bytes += count
        else:
            self.transport.write(head)
            asyncio.get_running_loop().create_task(self.stream(body, start, end, fault))
            return
        if body.file:
            body.file.close()

    async def stream(self, body, start, end, fault):
        state.streaming += 1
        try:
            await self.send_pieces(body, start, end, fault)
        finally:
            state.streaming -= 1

    async def send_pieces(self, body, start, end, fault):
        position = start
        stop = start + (end - start) // 2 if fault == "cut" else end
        while position < stop and self.transport:
            # It may change while an answer is on its way.
            rate = state.faults.get("rate")
            step = max(1, min(262144, rate // 10)) if rate else 262144
            await self.room.wait()
            chunk = body.read(position, min(step, stop - position))
            if fault == "wrong" and position == start:
                chunk = bytes([chunk[0] ^ 1]) + chunk[1:]
            if not self.transport:
                break
            self.transport.write(chunk)
            state.bytes += len(chunk)
            position += len(chunk)
            if rate:
                await asyncio.sleep(len(chunk) / rate)
        if body.file:
            body.file.close()
        if fault == "cut" and self.transport:
            self.transport.close()

    def send(self, status, content, method, headers=()):
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers)
        if not any(name.lower() == "content-length" for name, _ in headers):
            extra += f"Content-Length: {len(content)}\r\n"
        self.transport.write(f"HTTP/1.1 {status} X\r\n{extra}\r\n".encode() + (b"" if method == "HEAD" else content))

    def send_canned(self, answer, method):
        if "raw" in answer:
            self.transport.write(answer["raw"].encode("latin-1"))
            return self.transport.close()
        self.send(answer.get("status", 200), answer.get("body", "").encode(), method, answer.get("headers", []))


def obey(command):
    if "reset" in command:
        state.reset()
    if "faults" in command:
        state.set_faults(command["faults"])
    if "canned" in command:
        state.canned.update(command["canned"])
    if "checksums" in command:
        state.checksums.update(command["checksums"])
    if "statistics" in command:
        return {
            "requests": state.requests, "connections": state.connections, "inFlight": state.in_flight,
            "streaming": state.streaming, "most": state.most, "bytes": state.bytes, "targets": state.targets,
            "arrived": Connection.arrived()}
    if "log" in command:
        return {"log": state.log}
    return {}


def tls_context():
    certificate, key = f"{directory}/certificate.pem", f"{directory}/key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def main():
    loop = asyncio.get_running_loop()
    context = tls_context() if "--tls" in sys.argv else None
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024, ssl=context)
    reader = asyncio.StreamReader(limit=64 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    lifeline.say(port=server.sockets[0].getsockname()[1], directory=directory)
    while line := await reader.readline():
        lifeline.say(**obey(json.loads(line)))


try:
    asyncio.run(main())
finally:
    lifeline.shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)
