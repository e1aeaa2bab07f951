"""The reading ones of Ceph's tests of S3, once against Ceph itself and once with every read answered by `icecore serve`.

    s3_tests.py fetch TESTS                                               a checkout of github.com/ceph/s3-tests
    s3_tests.py run TESTS ICECORE PORT DIRECTORY [--select EXPRESSION] [--passed FILE]

PORT and DIRECTORY are those of rgw.py. Only what passes at Ceph is run again (or what FILE lists, as JSON, of an earlier
run), through a proxy: it passes writes on to Ceph; before the first read after a write it syncs the bucket into a store of
the bucket's own, and a running `icecore serve` of that store answers the read. Prints, as JSON, by the names of tests:
{"direct": {…: "passed"}, "served": {…: "passed"}, "reads": {…: how many the server has answered}, "why": {…: the failure}}
and "passedOn": {what: count} for reads that went to Ceph after all.
"""

import argparse
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import boto3
import botocore.config

SOURCE = ("https://github.com/ceph/s3-tests", "8f0ae7b404a3a2fcf7038bf1e6bf29544fe9b6a3")

KEYS = {
    "main": ("mainaccess", "mainsecret"), "alt": ("altaccess", "altsecret"), "tenant": ("tenantaccess", "tenantsecret"),
    "iam": ("iamaccess", "iamsecret"), "root": ("rootaccess", "rootsecret"), "altroot": ("altrootaccess", "altrootsecret")}

CONFIGURATION = """
[DEFAULT]
host = 127.0.0.1
port = {port}
is_secure = False
[fixtures]
bucket prefix = s3t-{{random}}-
[s3 main]
display_name = main
user_id = main
email = main@example.org
api_name = default
access_key = mainaccess
secret_key = mainsecret
[s3 alt]
display_name = alt
user_id = alt
email = alt@example.org
access_key = altaccess
secret_key = altsecret
[s3 tenant]
display_name = tenant
user_id = tenant
email = tenant@example.org
tenant = testx
access_key = tenantaccess
secret_key = tenantsecret
[iam]
display_name = iam
user_id = iam
email = iam@example.org
access_key = iamaccess
secret_key = iamsecret
[iam root]
user_id = root
email = root@example.org
access_key = rootaccess
secret_key = rootsecret
[iam alt root]
user_id = altroot
email = altroot@example.org
access_key = altrootaccess
secret_key = altrootsecret
"""

# A plugin of pytest: writes each test's outcome, and asks the proxy how many reads were the server's.
PLUGIN = '''
import json, os, urllib.request, pytest
def reads():
    address = os.environ.get("S3_TESTS_PROXY")
    return json.load(urllib.request.urlopen(address)) if address else 0
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    item.reads_before = reads()
    yield
    item.reads_own = reads() - item.reads_before
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" or report.outcome != "passed" and report.when == "setup":
        with open(os.environ["S3_TESTS_LOG"], "a") as log:
            why = "" if report.outcome == "passed" else str(report.longrepr)[-1500:]
            log.write(json.dumps([item.name, report.outcome, getattr(item, "reads_own", 0), why]) + "\\n")
'''

# What neither Ceph as it runs here nor a server that only reads has anything to do with, and takes long.
LEFT_OUT = """lifecycle lifecycle_expiration lifecycle_transition cloud_transition cloud_restore iam_account iam_cross_account
iam_role iam_tenant iam_user bucket_logging encryption sse_s3 bucket_encryption bucket_policy user_policy group group_policy
role_policy session_policy object_lock s3website auth_aws2 storage_class object_ownership"""
# The tests that read, by their names. (Ceph 16 ends at once in test_upload_part_copy_percent_encoded_key.)
READING = re.compile("list|_get|head|read|range|attributes|response|ifmatch|ifnonematch|ifmod|ifunmod|marker|raw|metadata"
                     "|versioning|checksum|etag|copy_ver|presign|delimiter|prefix|maxkeys|anonymous|tags?$")
OTHERS = re.compile("acl|cors|post_object|policy|public_block|logging|website|usage_|torrent|percent_encoded_key"
                    "|object_lock")

# What `icecore serve` does not say of a bucket, and says of it as a whole: docs/S3.md.
NOT_THE_SERVERS = {"versioning", "location"}


def make_users(directory):
    for name, (key, secret) in KEYS.items():
        command = ["radosgw-admin", "-c", f"{directory}/ceph.conf", "user", "create", "--uid", name, "--display-name", name,
                   "--email", f"{name}@example.org", "--access-key", key, "--secret-key", secret, "--caps", "user-policy=*"]
        if name == "tenant":
            command += ["--tenant", "testx"]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class BucketStore:
    """A bucket's store, and the server of it."""

    def __init__(self, place, name, owner):
        self.name, self.owner, self.place = name, owner, place
        self.lock = threading.Lock()
        self.is_current = False
        self.writes = 0
        self.store = None
        self.server = None
        self.port = 0
        self.snapshots = 0

    def run(self, *words):
        key, secret = KEYS[self.owner]
        environment = {"PATH": "/usr/bin:/bin", "HOME": self.place.directory, "AWS_ACCESS_KEY_ID": key,
                       "AWS_SECRET_ACCESS_KEY": secret, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1"}
        return subprocess.run([self.place.program, *words], env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)

    def make(self):
        self.store = tempfile.mkdtemp(prefix="store-", dir=self.place.directory)
        made = self.run("init", self.store, "--bucket", f"s3://{self.name}", "--list", "--region", "us-east-1",
                        "--endpoint-url", f"http://127.0.0.1:{self.place.upstream}")
        if made.returncode != 0:
            raise RuntimeError(f"init: {made.stdout}")

    def start(self):
        log = f"{self.store}.log"
        with open(log, "wb") as output:
            self.server = subprocess.Popen(
                [self.place.program, "serve", "--store", self.store, "--address", "127.0.0.1:0", "--name", self.name,
                 "--credentials", f"{self.place.directory}/credentials"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={"PATH": "/usr/bin:/bin", "HOME": self.store})
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with open(log, errors="replace") as text:
                found = re.search(r"serving .* at http://.*:(\d+)/", text.read())
            if found:
                self.port = int(found.group(1))
                return
            time.sleep(0.01)
        raise RuntimeError("serve: it does not start")

    def count(self):
        key, secret = KEYS["main"]
        client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{self.port}", aws_access_key_id=key,
                              aws_secret_access_key=secret, region_name="us-east-1",
                              config=botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"}))
        return len(client.list_buckets()["Buckets"])

    def bring_up_to_date(self):
        """Syncs, and waits until the server shows it."""
        with self.lock:
            if self.is_current:
                return
            writes = self.writes
            if not self.store:
                self.make()
            synced = self.run("sync", "--store", self.store)
            if synced.returncode != 0:
                raise RuntimeError(f"sync: {synced.stdout[-500:]}")
            if not self.server:
                self.start()
                self.snapshots = self.count()
            else:
                deadline = time.monotonic() + 10
                while self.count() <= self.snapshots:
                    if time.monotonic() > deadline:
                        raise RuntimeError("serve: it does not follow the sync")
                    time.sleep(0.02)
                self.snapshots = self.count()
            self.is_current = writes == self.writes

    def stop(self):
        if self.server:
            self.server.kill()
            self.server.wait()
        if self.store:
            shutil.rmtree(self.store, ignore_errors=True)


class Place:
    """All buckets."""

    def __init__(self, directory, program, upstream):
        self.directory, self.program, self.upstream = directory, program, upstream
        self.lock = threading.Lock()
        self.buckets = {}
        self.reads = 0
        self.passed_on = {}
        with open(f"{directory}/credentials", "w") as file:
            for name, (key, secret) in KEYS.items():
                file.write(f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")

    def bucket(self, name, owner="main"):
        with self.lock:
            if name not in self.buckets:
                self.buckets[name] = BucketStore(self, name, owner)
            return self.buckets[name]

    def forget(self, name):
        with self.lock:
            bucket = self.buckets.pop(name, None)
        if bucket:
            bucket.stop()

    def note(self, why):
        with self.lock:
            self.passed_on[why] = self.passed_on.get(why, 0) + 1


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: two would wait for each other.
    wbufsize = 1 << 16
    place = None

    def log_message(self, *_):
        pass

    def handle_expect_100(self):
        # Otherwise the client waits for a second.
        done = super().handle_expect_100()
        self.wfile.flush()
        return done

    def handle_one(self):
        # As it was sent: the library makes one of two slashes.
        target = self.requestline.split(" ")[1]
        if target == "/-/reads":
            return self.answer(200, [], str(self.place.reads).encode())
        path, _, query = target.partition("?")
        name, _, key = urllib.parse.unquote(path[1:]).partition("/")
        names = {part.partition("=")[0] for part in query.split("&")}
        body = self.read_body()
        if self.command in ("GET", "HEAD"):
            reply = self.read_from_store(name, target, key, names)
            if not reply:
                reply = self.ask(self.place.upstream, target, body)
            return self.answer(*reply)
        # A part is not yet an object.
        changes = name and not (self.command == "PUT" and "uploadId" in names)
        if changes and not key and self.command in ("PUT", "DELETE") and not query:
            self.place.forget(name)
        if changes:
            bucket = self.place.bucket(name, self.owner())
            bucket.is_current = False
            bucket.writes += 1
        reply = self.ask(self.place.upstream, target, body)
        if changes:
            bucket.is_current = False
            bucket.writes += 1
        self.answer(*reply)

    def owner(self):
        credential = self.headers.get("Authorization") or ""
        return next((name for name, (key, _) in KEYS.items() if f"Credential={key}/" in credential), "main")

    def read_from_store(self, name, target, key, names):
        if not name or name not in self.place.buckets or (not key and names & NOT_THE_SERVERS):
            return None
        bucket = self.place.buckets[name]
        try:
            bucket.bring_up_to_date()
            reply = self.ask(bucket.port, target, b"")
        except (RuntimeError, OSError, KeyError) as error:
            self.place.note(str(error)[:300])
            return None
        if reply[0] == 501:
            self.place.note("not implemented: " + " ".join(sorted(names)))
            return None
        self.place.reads += 1
        return reply

    def read_body(self):
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while True:
            length = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(length)
            self.rfile.readline()
            if length == 0:
                return body

    def ask(self, port, target, body):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
        is_chunked = "chunked" in (self.headers.get("Transfer-Encoding") or "")
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                connection.putheader(name, value)
        if is_chunked:
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        connection.endheaders(body or None)
        reply = connection.getresponse()
        content = reply.read()
        headers = [(n, v) for n, v in reply.getheaders()
                   if n.lower() not in ("connection", "transfer-encoding", "content-length")]
        if self.command == "HEAD":
            headers.append(("Content-Length", reply.getheader("Content-Length") or "0"))
        connection.close()
        return reply.status, headers, content

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD" and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_OPTIONS = handle_one


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


def run_tests(tests, directory, port, words, proxy=""):
    log, configuration = f"{directory}/outcomes", f"{directory}/s3tests.conf"
    if os.path.exists(log):
        os.unlink(log)
    with open(configuration, "w") as file:
        file.write(CONFIGURATION.format(port=port))
    environment = dict(os.environ, S3TEST_CONF=configuration, S3_TESTS_LOG=log, S3_TESTS_PROXY=proxy,
                       PYTHONPATH=f"{directory}:{tests}", AWS_EC2_METADATA_DISABLED="true", AWS_DEFAULT_REGION="us-east-1")
    with open(f"{directory}/pytest.log", "ab") as output:
        subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "s3_tests_plugin", "-p", "no:cacheprovider", "-q", "--tb=short", *words],
            cwd=tests, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
    if not os.path.exists(log):
        with open(f"{directory}/pytest.log", errors="replace") as output:
            raise SystemExit(f"no test ran: {output.read()[-2000:]}")
    with open(log) as file:
        return [json.loads(line) for line in file]


def fetch(tests):
    if os.path.exists(f"{tests}/s3tests"):
        return
    address, commit = SOURCE
    for words in (["init", "-q", tests], ["-C", tests, "fetch", "-q", "--depth", "1", address, commit],
                  ["-C", tests, "checkout", "-q", "FETCH_HEAD"]):
        subprocess.run(["git", *words], check=True, stdin=subprocess.DEVNULL, timeout=300)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fetch", "run"])
    parser.add_argument("tests")
    if sys.argv[1:2] == ["fetch"]:
        return fetch(parser.parse_args().tests)
    parser.add_argument("program")
    parser.add_argument("port", type=int)
    parser.add_argument("directory")
    parser.add_argument("--select", default="")
    parser.add_argument("--passed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = tempfile.mkdtemp(prefix="icecore-s3-tests-")
    place = Place(directory, options.program, options.port)
    try:
        with open(f"{directory}/s3_tests_plugin.py", "w") as file:
            file.write(PLUGIN)
        make_users(options.directory)
        Handler.place = place
        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        file = "s3tests/functional/test_s3.py"
        with open(f"{options.tests}/{file}") as source:
            names = [name for name in re.findall(r"^def (test_\w+)", source.read(), re.M)
                     if READING.search(name) and not OTHERS.search(name)]
        words = [*(f"{file}::{name}" for name in names), "-k", options.select,
                 "-m", f"not ({' or '.join(LEFT_OUT.split())})"]
        if options.passed:
            with open(options.passed) as known:
                direct = [(name, "passed", 0, "") for name in json.load(known)]
        else:
            direct = run_tests(options.tests, directory, options.port, words)
        passed = [f"{file}::{name}" for name, outcome, _, _ in direct if outcome == "passed"]
        port = server.server_address[1]
        served = run_tests(options.tests, directory, port, passed, f"http://127.0.0.1:{port}/-/reads")
        print(json.dumps({
            "direct": {name: outcome for name, outcome, _, _ in direct},
            "served": {name: outcome for name, outcome, _, _ in served},
            "reads": {name: count for name, _, count, _ in served},
            "why": {name: why for name, outcome, _, why in served if outcome != "passed"}, "passedOn": place.passed_on}))
    finally:
        for name in list(place.buckets):
            place.forget(name)
        shutil.rmtree(directory, ignore_errors=True)


main()
