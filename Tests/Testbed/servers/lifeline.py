"""What all servers of the test bed share: they live exactly as long as somebody holds their standard input open."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)
children = []


def free_port():
    """A port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def new_directory(kind):
    return tempfile.mkdtemp(prefix=f"icecore-{kind}-")


def start(command, log, **options):
    """Starts a process that is killed when this one ends, however it ends."""
    parent = os.getpid()

    def prepare():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    with open(log, "ab") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=prepare, **options)
    children.append(child)
    return child


def wait_for_port(port, child, log, seconds=30):
    """Returns when the port answers; fails with the end of the log when the process does not live that long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    with open(log, errors="replace") as text:
        fail(f"{os.path.basename(child.args[0])} did not start: {text.read()[-2000:]}")


def say(**facts):
    print(json.dumps(facts), flush=True)


def fail(reason):
    say(error=reason)
    stop()
    sys.exit(1)


def stop():
    for child in reversed(children):
        if child.poll() is None:
            child.kill()
    for child in children:
        child.wait()


def live(directory=None):
    """Waits for the end of standard input, then stops all."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while os.read(0, 65536):
            pass
    finally:
        stop()
        if directory:
            shutil.rmtree(directory, ignore_errors=True)
