"""Passes requests on to another server, writes them down, and fails some of them.

usage: proxy.py PORT    of the other server, on 127.0.0.1. Says {"port", "directory"} when it is ready, and stops at the end of standard input.

Commands are JSON objects, one a line on standard input; each is answered with one line:
  {"log": true}        the requests since the last reset: [[method, target], …]
  {"fail": [method, part of the target, count]}    so many such requests are answered with 500, their bodies read to the end
  {"lose": [method, part of the target, count]}    so many such requests are passed on, and answered with 500
  {"kill": count}      after so many requests the process whose id is "pid" is killed, in the middle of the next one
  {"chance": part}     so many of all requests fail or are lost, between 0 and 1
  {"sent": true}       the bytes of bodies of requests since the last reset
  {"reset": true}      forgets all that
"""

import http.client
import http.server
import json
import os
import random
import signal
import sys
import threading

import lifeline

directory = lifeline.new_directory("proxy")
upstream = int(sys.argv[1])
lock = threading.Lock()
log = []
failures = []
losses = []
death = {}
totals = {"sent": 0}
chance = {"part": 0.0}
BROKEN = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code><Message>As told.</Message></Error>'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: two would wait for each other.
    wbufsize = 1 << 16

    def log_message(self, *_):
        pass

    def handle_expect_100(self):
        # Otherwise the client waits for a second.
        done = super().handle_expect_100()
        self.wfile.flush()
        return done

    def handle_one(self):
        length = int(self.headers.get("Content-Length") or 0)
        with lock:
            log.append([self.command, self.path])
            totals["sent"] += length
            unlucky = random.random() < chance["part"]
            lost = unlucky and random.random() < 0.5
            fails = next((f for f in failures if f[2] > 0 and f[0] == self.command and f[1] in self.path), None)
            if fails:
                fails[2] -= 1
            loses = next((f for f in losses if f[2] > 0 and f[0] == self.command and f[1] in self.path), None)
            if loses:
                loses[2] -= 1
            if death:
                death["count"] -= 1
                if death["count"] < 0:
                    os.kill(death["pid"], signal.SIGKILL)
                    death.clear()
        if fails or (unlucky and not lost):
            while length > 0:
                length -= len(self.rfile.read(min(length, 1 << 16)))
            return self.answer(500, [("Content-Type", "application/xml")], BROKEN)
        connection = http.client.HTTPConnection("127.0.0.1", upstream, timeout=120)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                connection.putheader(name, value)
        connection.endheaders()
        while length > 0:
            piece = self.rfile.read(min(length, 1 << 16))
            if not piece:
                break
            length -= len(piece)
            connection.send(piece)
        reply = connection.getresponse()
        body = reply.read()
        if loses or lost:
            connection.close()
            return self.answer(500, [("Content-Type", "application/xml")], BROKEN)
        headers = [(n, v) for n, v in reply.getheaders() if n.lower() not in ("connection", "transfer-encoding", "content-length")]
        if self.command == "HEAD":
            headers.append(("Content-Length", reply.getheader("Content-Length") or "0"))
        self.answer(reply.status, headers, body)
        connection.close()

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


def obey(command):
    with lock:
        if "reset" in command:
            log.clear()
            failures.clear()
            losses.clear()
            death.clear()
            totals["sent"] = 0
            chance["part"] = 0.0
        if "chance" in command:
            chance["part"] = command["chance"]
        if "fail" in command:
            failures.append(command["fail"])
        if "lose" in command:
            losses.append(command["lose"])
        if "kill" in command:
            death.update(count=command["kill"], pid=command["pid"])
        if "log" in command:
            return {"log": list(log)}
        if "sent" in command:
            return {"sent": totals["sent"]}
    return {}


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
lifeline.say(port=server.server_address[1], directory=directory)
try:
    for line in sys.stdin:
        lifeline.say(**obey(json.loads(line)))
finally:
    lifeline.shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)
