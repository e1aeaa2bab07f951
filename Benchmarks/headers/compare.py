"""Measures what headers cost; started by ../headers.sh."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/Benchmarks/downloads")
import compare  # noqa: E402

SIZE = 1280


def rows(count):
    for number in range(count):
        content = b"%016d" % number * (SIZE // 16)
        etag = hashlib.md5(content).hexdigest()
        # A version id as long as S3's.
        yield f"tiles/{number // 1000:05}/{number:08}", hashlib.md5(etag.encode()).hexdigest(), SIZE, etag


def sync(program, work, types):
    """One first sync; its run, and the bytes of the index."""
    server = compare.LatencyServer(0, SIZE, types)
    store = f"{work}/store"
    shutil.rmtree(store, ignore_errors=True)
    subprocess.run(
        [program, "init", store, "--bucket", f"s3://{compare.BUCKET}", "--inventory", f"file://{work}/inventory",
         "--endpoint-url", server.endpoint, "--no-sign-request"],
        check=True, env=compare.PLAIN, stderr=subprocess.DEVNULL)
    run = compare.Run([program, "sync", "--store", store], work)
    server.process.communicate()
    return run, os.path.getsize(f"{store}/index.sqlite")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    programs = {"icecore": compare.ICECORE}
    if "ICECORE_BEFORE" in os.environ:
        programs["before"] = os.environ["ICECORE_BEFORE"]
    work = tempfile.mkdtemp(prefix="icecore-bench-")
    try:
        compare.inventory(f"{work}/inventory", rows(count))
        table = compare.Table()
        sizes = {}
        for turn in range(rounds):
            for types in 0, 1, 200:
                for name in list(programs)[:: 1 if turn % 2 else -1]:
                    title = f"{name}, {types or 'no'} Content-Types"
                    run, sizes[title] = sync(programs[name], work, types)
                    table.add(title, run, 0)
        print(f"\n{count} objects of {SIZE} bytes, a first sync with their contents")
        table.show(count)
        for title, size in sizes.items():
            print(f"{title}: index {size} bytes, {size / count:.1f} a version")
        for types in 0, 1, 200:
            if len(programs) > 1:
                title = f"{types or 'no'} Content-Types"
                table.ratio(f"icecore, {title}", f"before, {title}", "0.97")
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
