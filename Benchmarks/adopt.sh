#!/usr/bin/env bash
# icecore adopt against md5sum over the same files on as many cores. All in one run, in turns, with everything in the page
# cache so that digests and not the disk are measured: a dry run reads and compares everything; a run that takes the
# contents also writes them, or clones them if the directory is on a file system that can.
#
#   Benchmarks/adopt.sh [DIRECTORY]       default: a temporary directory (5 GB are needed)
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-$(mktemp -d "${TMPDIR:-/tmp}/icecore-bench-XXXXXX")}
mkdir -p "$work"
[ $# -ge 1 ] || trap 'rm -rf "$work"' EXIT
icecore=${ICECORE:-}
if [ -z "$icecore" ]; then
    swift build -c release --static-swift-stdlib --product icecore >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
    icecore=.build/release/icecore
fi

echo "$(date -u +%Y-%m-%d), $(nproc) cores, $(uname -r), $(stat -f -c %T "$work"), load $(cut -d' ' -f1-3 /proc/loadavg)"

# A mirror, and an inventory that lists it.
mirror() { # COUNT SIZE PARTS
    python3 - "$work" "$1" "$2" "$3" <<'P'
import gzip, hashlib, json, os, sys
work, count, size, parts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
block = os.urandom(1 << 20)
rows = []
for number in range(count):
    content = (b"%d\n" % number + block * (size // len(block) + 1))[:size]
    key = f"d{number // 1000}/{number}"
    path = f"{work}/mirror/{key}"
    if number % 1000 == 0:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    etag = hashlib.md5(content).hexdigest()
    if parts:
        sums = [hashlib.md5(content[start:start + parts]).digest() for start in range(0, size, parts)]
        etag = hashlib.md5(b"".join(sums)).hexdigest() + f"-{len(sums)}"
    rows.append((key, f'"bucket","{key}","v{number}","true","false","{size}","2024-03-01T00:00:00.000Z","{etag}","STANDARD"\n'))
rows.sort()
folder = f"{work}/inventories"
os.makedirs(f"{folder}/data", exist_ok=True)
os.makedirs(f"{folder}/2024-03-02T01-00Z", exist_ok=True)
data = gzip.compress("".join(row for _, row in rows).encode())
with open(f"{folder}/data/list.csv.gz", "wb") as file:
    file.write(data)
manifest = json.dumps({
    "sourceBucket": "bucket", "destinationBucket": "arn:aws:s3:::inventories", "version": "2016-11-30",
    "creationTimestamp": "1709341200000", "fileFormat": "CSV",
    "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass",
    "files": [{"key": "data/list.csv.gz", "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()}]}).encode()
with open(f"{folder}/2024-03-02T01-00Z/manifest.json", "wb") as file:
    file.write(manifest)
with open(f"{folder}/2024-03-02T01-00Z/manifest.checksum", "w") as file:
    file.write(hashlib.md5(manifest).hexdigest())
P
}
seconds() { /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@" >"$work/out" 2>"$work/err"; cat "$work/time"; }
compare() { # NAME COUNT SIZE PARTS
    rm -rf "$work/store" "$work/mirror" "$work/inventories"
    mirror "$2" "$3" "$4"
    find "$work/mirror" -type f -print0 >"$work/names"
    xargs -0 cat <"$work/names" >/dev/null
    for round in 1 2 3; do
        rm -rf "$work/store"
        $icecore init "$work/store" --bucket s3://bucket --inventory "file://$work/inventories" --no-sign-request 2>/dev/null
        $icecore sync --store "$work/store" --metadata-only >/dev/null 2>&1
        sync
        read -r peer user1 system1 _ < <(
            seconds xargs -0 -a "$work/names" -P "$(nproc)" -n "$(($2 / $(nproc) / 4 + 1))" md5sum)
        read -r dry user2 system2 _ < <(seconds "$icecore" adopt "$work/mirror" --store "$work/store" --dry-run --json)
        read -r mine user3 system3 memory < <(seconds "$icecore" adopt "$work/mirror" --store "$work/store" --json)
        grep -q "\"adopted\":$2," "$work/out" || { echo "not everything was taken:"; cat "$work/out" "$work/err"; exit 1; }
        awk -v n="$1" -v r="$round" -v b="$(($2 * $3))" -v p="$peer" -v d="$dry" -v m="$mine" -v k="$memory" \
            -v pc="$(echo "$user1 + $system1" | bc)" -v dc="$(echo "$user2 + $system2" | bc)" \
            -v mc="$(echo "$user3 + $system3" | bc)" 'BEGIN {
            printf "%-26s round %d  md5sum %6.2f s (%5.2f CPU)  dry run %6.2f s (%5.2f), %.2f x  taken %6.2f s (%5.2f), %.2f x, %4.0f MB/s, %d MiB\n",
                n, r, p, pc, d, dc, p / d, m, mc, p / m, b / m / 1e6, k / 1024 }'
    done
}
compare "12 of 128 MiB" 12 $((128 << 20)) 0
compare "12 of 128 MiB, in parts" 12 $((128 << 20)) $((8 << 20))
compare "20,000 of 64 KiB" 20000 65536 0
compare "50,000 of 4 KiB" 50000 4096 0
