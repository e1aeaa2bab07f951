"""Measures restores; started by ../restore.sh, which sees that everything is there."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, f"{ROOT}/Benchmarks/push")
sys.path.insert(0, f"{ROOT}/Benchmarks/downloads")
import compare  # noqa: E402  (what the benchmarks of transfers share)
from gateway import KEYS, Gateway  # noqa: E402

PART = 16 << 20


def small(nginx, tree, count):
    """So many objects of 4 KiB, also as files."""
    os.makedirs(tree)
    rows = []
    for number in range(count):
        content = hashlib.sha256(str(number).encode()).digest() * 128
        key, version = f"small/{number // 1000:03}/{number:06}", f"v{number:08}"
        nginx.put(key, version, [content])
        os.makedirs(os.path.dirname(f"{tree}/{key}"), exist_ok=True)
        with open(f"{tree}/{key}", "wb") as file:
            file.write(content)
        rows.append((key, version, len(content), hashlib.md5(content).hexdigest()))
    return rows


def large(nginx, tree, size):
    """One object that was uploaded in parts of 16 MiB, also as a file."""
    os.makedirs(tree)
    digests = []
    with open(f"{tree}/large", "wb") as file:
        for _ in range(size // PART):
            part = os.urandom(PART)
            digests.append(hashlib.md5(part).digest())
            file.write(part)
    with open(f"{tree}/large", "rb") as file:
        nginx.put("large", "vlarge", iter(lambda: file.read(1 << 20), b""))
    return [("large", "vlarge", size, f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}")]


def measure(work, name, title, objects, rounds, make):
    nginx = compare.Nginx()
    tree, store = f"{work}/{name}-files", f"{work}/{name}-store"
    rows = make(nginx, tree)
    compare.inventory(f"{work}/{name}", rows)
    subprocess.run(
        [compare.ICECORE, "init", store, "--bucket", f"s3://{compare.BUCKET}", "--inventory", f"file://{work}/{name}",
         "--endpoint-url", nginx.endpoint, "--no-sign-request", "--headers", "fetched"],
        check=True, env=compare.PLAIN, stderr=subprocess.DEVNULL)
    subprocess.run([compare.ICECORE, "sync", "--store", store], check=True, env=compare.PLAIN)
    nginx.process.communicate()
    table = compare.Table()
    for turn in range(rounds):
        # Each goes first as often as the other.
        for which in ("icecore restore", "s5cmd cp")[:: 1 if turn % 2 else -1]:
            gateway = Gateway()
            s5cmd = ["s5cmd", "--log", "error", "--endpoint-url", gateway.endpoint]
            subprocess.run([*s5cmd, "mb", "s3://restored"], check=True, env=compare.PLAIN)
            if which == "s5cmd cp":
                command = [*s5cmd, "cp", f"{tree}/", "s3://restored/"]
            else:
                shutil.rmtree(f"{store}/restores", ignore_errors=True)
                command = [
                    compare.ICECORE, "restore", "s3://restored", "--store", store, "--endpoint-url", gateway.endpoint]
            table.add(which, compare.Run(command, work), 0)
            gateway.stop()
    print(f"\n{title}, to Ceph's gateway, its disk in memory")
    table.show(objects)
    table.ratio("icecore restore", "s5cmd cp", "0.9")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    work = tempfile.mkdtemp(prefix="icecore-bench-")
    compare.PLAIN.update(KEYS)
    try:
        measure(work, "small", "10,000 objects of 4 KiB", 10_000, rounds, lambda nginx, tree: small(nginx, tree, 10_000))
        measure(work, "large", "one object of 1 GiB", 1, rounds, lambda nginx, tree: large(nginx, tree, 1 << 30))
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
