"""Ceph's S3 gateway, for the benchmarks that write to a bucket."""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEYS = {"AWS_ACCESS_KEY_ID": "testaccess", "AWS_SECRET_ACCESS_KEY": "testsecret/with+chars"}


class Gateway:
    """The test bed's Ceph, its disk in memory."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", f"{ROOT}/Tests/Testbed/servers/rgw.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ready = json.loads(self.process.stdout.readline())
        if "error" in ready:
            sys.exit(ready["error"])
        self.endpoint = f"http://127.0.0.1:{ready['port']}"

    def stop(self):
        self.process.communicate()
