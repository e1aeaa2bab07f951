#!/bin/bash
# A mount of very many files, of which the store has only the index: how long a find takes and how much memory the daemon
# needs for it, and how soon a listing of a directory with a million children begins.
#
#   Benchmarks/filesystem-large.sh [ROWS] [DIRECTORY]     default: 10,000,000 rows in a temporary directory (3 GB are needed)
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-10000000}
work=${2:-$(mktemp -d "${TMPDIR:-/tmp}/icecore-large-XXXXXX")}
mount=$work/mnt
mkdir -p "$mount"
unmount() { if mountpoint -q "$mount"; then fusermount3 -u "$mount"; fi; }
trap unmount EXIT
[ $# -ge 2 ] || trap 'unmount; rm -rf "$work"' EXIT
for product in icecore icecore-bench-generate; do
    swift build -c release --product $product >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
done
bin=.build/release
[ -d "$work/store" ] || {
    $bin/icecore-bench-generate --rows "$rows" --files 4 --out "$work/inventory" >/dev/null
    $bin/icecore init "$work/store" --bucket s3://icecore-bench --inventory "file://$work/inventory" 2>/dev/null
    $bin/icecore sync --metadata-only --store "$work/store" 2>/dev/null
    rm -rf "$work/inventory"
}
[ -d "$work/flat" ] || python3 Benchmarks/filesystem-store.py "$work/flat" - --directories 0 --large 1000000 --gigabytes 0

fresh() { # store
    unmount
    $bin/icecore mount "$mount" --store "$1" 2>/dev/null
    daemon=$(sed -n 's/.* icecore\[\([0-9]*\)\]: mounted .*/\1/p' "$1/mount.log" | tail -n 1)
    sync
    [ "$(id -u)" != 0 ] || echo 3 >/proc/sys/vm/drop_caches
}
report() { # name, command…: seconds, what it printed, the most memory that the daemon ever had
    local name=$1 start end said
    shift
    start=$(date +%s%N)
    said=$("$@")
    end=$(date +%s%N)
    printf '%-42s %9.3f s  %10s  daemon %4d MiB\n' "$name" "$(((end - start) / 1000000))e-3" "$said" \
        "$(($(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$daemon/status") / 1024))"
}
names() { find "$mount" -type f -printf x | wc -c; }
sizes() { find "$mount" -type f -size +0 -printf x | wc -c; }
# A reader that has its first buffer closes the pipe.
firstNames() { { ls -f "$mount/large" 2>/dev/null || true; } | head -c 1 | wc -c; }
firstBatch() { python3 -c 'import os, sys; print(len(next(os.scandir(sys.argv[1])).name))' "$mount/large"; }
allNames() { ls -f "$mount/large" | wc -l; }
# Positions and rows that no cache has any more.
scattered() {
    python3 - "$mount/large" <<'PYTHON'
import os, random, sys
random.seed(1)
descriptors = [os.open("%s/chunk.%d" % (sys.argv[1], random.randrange(1000000)), os.O_PATH) for _ in range(200)]
with os.scandir(sys.argv[1]) as entries:
    count = sum(1 for entry in entries)
for descriptor in descriptors:
    os.stat("/proc/self/fd/%d" % descriptor)
    os.getxattr("/proc/self/fd/%d" % descriptor, "user.icecore.key")
print(count)
PYTHON
}

echo "$(date -u +%Y-%m-%d), $(nproc) cores, $(uname -r), load $(cut -d ' ' -f 1 /proc/loadavg)"
fresh "$work/store"
report "find, names, cold" names
report "find, names, warm" names
fresh "$work/store"
report "find -size, cold" sizes
fresh "$work/flat"
report "first name of a million, cold" firstBatch
fresh "$work/flat"
report "ls -f of a million, until it prints, cold" firstNames
fresh "$work/flat"
report "ls -f of a million, all, cold" allNames
report "ls -f of a million, all, warm" allNames
fresh "$work/flat"
report "200 open files after a listing of a million" scattered
