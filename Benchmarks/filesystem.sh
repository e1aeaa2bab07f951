#!/bin/bash
# Compares a mount with the same tree on the local disk, in one run: medians, in milliseconds.
#
#   Benchmarks/filesystem.sh [WORKDIR] [RUNS]        default: a temporary directory, which stays
#
# Needs root (it drops caches). ICECORE names the command that mounts STORE on a directory and returns:
# "$ICECORE STORE MOUNTPOINT"; the default builds the tests' helper. OPTIONS go after that.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d "${TMPDIR:-/tmp}/icecore-filesystem-XXXXXX")}
runs=${2:-5}
store=$work/store tree=$work/tree mount=$work/mnt
icecore=${ICECORE:-$here/../.build/release/mount-for-tests}
[ -x "$icecore" ] || swift build -c release --package-path "$here/.." --product mount-for-tests
[ -d "$store" ] || python3 "$here/filesystem-store.py" "$store" "$tree"
mkdir -p "$mount"
mountpoint -q "$mount" && fusermount3 -u "$mount"
trap 'mountpoint -q "$mount" && fusermount3 -u "$mount"' EXIT

python3 - "$tree" "$work" <<'PYTHON'
import os, random, sys
tree, work = sys.argv[1:]
random.seed(2)
small = [f"small/{d}/{f}" for d in sorted(os.listdir(f"{tree}/small")) for f in sorted(os.listdir(f"{tree}/small/{d}"))]
open(f"{work}/reads", "w").write("\n".join(random.sample(small, min(8000, len(small)))))
large = [f"large/{f}" for f in sorted(os.listdir(f"{tree}/large"))]
open(f"{work}/stats", "w").write("\n".join(random.sample(small + large, min(8000, len(small + large)))))
PYTHON
cat > "$work/read.py" <<'PYTHON'
import os, sys
os.chdir(sys.argv[1])
for name in open(sys.argv[2]).read().split("\n"):
    descriptor = os.open(name, os.O_RDONLY)
    while os.read(descriptor, 1 << 17):
        pass
    os.close(descriptor)
PYTHON
cat > "$work/stat.py" <<'PYTHON'
import os, sys
os.chdir(sys.argv[1])
for name in open(sys.argv[2]).read().split("\n"):
    os.stat(name)
PYTHON

fresh() {
    if mountpoint -q "$mount"; then fusermount3 -u "$mount"; fi
    # shellcheck disable=SC2086
    "$icecore" "$store" "$mount" ${OPTIONS:-} > /dev/null
    sync
    echo 3 > /proc/sys/vm/drop_caches
}

milliseconds() {
    local start end
    start=$(date +%s%N)
    "$@" > /dev/null
    end=$(date +%s%N)
    echo $(((end - start) / 1000))
}

work_find() { find "$1" -type f -printf x; }
work_ls() { ls -lR "$1"; }
work_read() { python3 "$work/read.py" "$1" "$work/reads"; }
work_stat() { python3 "$work/stat.py" "$1" "$work/stats"; }
work_dd() { dd if="$1/big.bin" of=/dev/null bs=1M status=none; }

median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }

printf '%-22s %10s %10s %7s\n' "work (ms)" ext4 mount ratio
for name in ${WORKS:-find ls read stat dd}; do
    for side in "$tree" "$mount"; do
        : > "$work/cold"; : > "$work/warm"
        for _ in $(seq "$runs"); do
            fresh
            milliseconds "work_$name" "$side" >> "$work/cold"
            milliseconds "work_$name" "$side" >> "$work/warm"
        done
        if [ "$side" = "$tree" ]; then
            coldExt4=$(median < "$work/cold") warmExt4=$(median < "$work/warm")
        else
            for heat in cold warm; do
                reference=$([ $heat = cold ] && echo "$coldExt4" || echo "$warmExt4")
                median < "$work/$heat" | awk -v n="$name, $heat" -v r="$reference" \
                    '{printf "%-22s %10.1f %10.1f %7.2f\n", n, r / 1000, $1 / 1000, $1 / r}'
            done
        fi
    done
done
