#!/bin/bash
# Compares a mount with the same tree on the local disk, and with what else can mount such a tree, in one run: medians,
# in milliseconds, and as ratios to the local disk.
#
#   Benchmarks/filesystem.sh [WORKDIR] [RUNS]        default: a temporary directory, which stays
#
# Needs root (it drops caches). ICECORE names the command that mounts STORE on a directory and returns:
# "$ICECORE STORE MOUNTPOINT"; the default builds the tests' helper. OPTIONS go after that. PEERS (rclone restic borg) are
# installed by apt if they are missing; PEER_RUNS: how many of the runs they take part in. WORKS: find ls read stat dd.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d "${TMPDIR:-/tmp}/icecore-filesystem-XXXXXX")}
runs=${2:-5}
store=$work/store tree=$work/tree mount=$work/mnt
icecore=${ICECORE:-$here/../.build/release/mount-for-tests}
[ -x "$icecore" ] || swift build -c release --package-path "$here/.." --product mount-for-tests
[ -d "$store" ] || python3 "$here/filesystem-store.py" "$store" "$tree"
mkdir -p "$mount"
trap unmount EXIT

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

# What is compared: ext4 itself, the mount, and what else mounts such a tree, where it is installed or apt can install it.
peers=
for peer in ${PEERS-rclone restic borg}; do
    package=$peer
    [ "$peer" != borg ] || package="borgbackup python3-pyfuse3"
    # shellcheck disable=SC2086
    command -v "$peer" > /dev/null \
        || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $package > /dev/null 2>&1 || true
    if command -v "$peer" > /dev/null; then peers="$peers $peer"; else echo "$peer is not here" >&2; fi
done
export RESTIC_PASSWORD=x BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
case $peers in *restic*)
    [ -d "$work/restic" ] || { restic -q init -r "$work/restic" && restic -q backup -r "$work/restic" "$tree"; } ;;
esac
case $peers in *borg*)
    [ -d "$work/borg" ] || { borg init -e none "$work/borg" && (cd "$tree" && borg create "$work/borg::a" .); } ;;
esac

unmount() {
    for _ in $(seq 50); do
        mountpoint -q "$mount" || return 0
        fusermount3 -u "$mount" 2> /dev/null || sleep 0.1
    done
}

# Mounts a side afresh, with nothing in the page cache; where its tree is comes into $root.
fresh() {
    unmount
    root=$mount
    case $1 in
    ext4) root=$tree ;;
    # shellcheck disable=SC2086
    mount) "$icecore" "$store" "$mount" ${OPTIONS:-} > /dev/null ;;
    rclone) rclone mount "$tree" "$mount" --read-only --daemon --dir-cache-time 24h --attr-timeout 1h 2> /dev/null ;;
    restic)
        setsid restic -q mount -r "$work/restic" "$mount" > /dev/null 2>&1 < /dev/null &
        root=$mount/snapshots/latest$tree
        ;;
    borg) borg mount "$work/borg::a" "$mount" ;;
    esac
    for _ in $(seq 300); do
        [ ! -d "$root/small" ] || break
        sleep 0.1
    done
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

printf '%-12s' 'work (ms)'
for side in ext4 mount $peers; do printf ' %16s' "$side"; done
echo
for name in ${WORKS:-find ls read stat dd}; do
    rm -f "$work"/times.*
    # Sides take turns, so that what else the machine does is spread over them.
    for run in $(seq "$runs"); do
        for side in ext4 mount $peers; do
            case $side in
            ext4 | mount) ;;
            *) [ "$run" -le "${PEER_RUNS:-$runs}" ] || continue ;;
            esac
            fresh "$side"
            milliseconds "work_$name" "$root" >> "$work/times.$side.cold"
            milliseconds "work_$name" "$root" >> "$work/times.$side.warm"
        done
    done
    for heat in cold warm; do
        printf '%-12s' "$name, $heat"
        reference=$(median < "$work/times.ext4.$heat")
        for side in ext4 mount $peers; do
            median < "$work/times.$side.$heat" | awk -v r="$reference" '{printf " %9.1f (%4.2f)", $1 / 1000, $1 / r}'
        done
        echo
    done
done
