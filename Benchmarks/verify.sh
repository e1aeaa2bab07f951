#!/usr/bin/env bash
# icecore verify against md5sum over the same files on as many cores, and the check of an index alone. All in one run, in
# turns, with everything in the page cache so that digests and not the disk are measured.
#
#   Benchmarks/verify.sh [ROWS] [DIRECTORY]       default: 10,000,000 rows in a temporary directory (6 GB are needed)
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-10000000}
work=${2:-$(mktemp -d "${TMPDIR:-/tmp}/icecore-bench-XXXXXX")}
mkdir -p "$work"
[ $# -ge 2 ] || trap 'rm -rf "$work"' EXIT
for product in icecore icecore-bench-generate; do
    swift build -c release --static-swift-stdlib --product $product >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
done
icecore=.build/release/icecore

echo "$(date -u +%Y-%m-%d), $(nproc) cores, $(uname -r), load $(cut -d' ' -f1-3 /proc/loadavg)"

# Blobs that are what their names say: a few large ones, many small ones.
blobs() {
    python3 - "$1" "$2" "$3" <<'P'
import hashlib, os, sys
store, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
block = os.urandom(1 << 20)
for number in range(count):
    content = (b"%d\n" % number + block * (size // len(block) + 1))[:size]
    etag = hashlib.md5(content).hexdigest()
    with open(f"{store}/blobs/{etag[:2]}/{etag}-{size}", "wb") as file:
        file.write(content)
P
}
seconds() { /usr/bin/time -o "$work/time" -f '%e %U %S' "$@" >/dev/null 2>"$work/err"; cat "$work/time"; }
compare() { # NAME COUNT SIZE
    rm -rf "$work/store"
    $icecore init "$work/store" --bucket s3://icecore-bench 2>/dev/null
    blobs "$work/store" "$2" "$3"
    find "$work/store/blobs" -type f -print0 >"$work/names"
    xargs -0 cat <"$work/names" >/dev/null
    for round in 1 2 3; do
        read -r peer user1 system1 < <(
            seconds xargs -0 -a "$work/names" -P "$(nproc)" -n "$(($2 / $(nproc) / 4 + 1))" md5sum)
        read -r mine user2 system2 < <(seconds "$icecore" verify --store "$work/store")
        awk -v n="$1" -v r="$round" -v b="$(($2 * $3))" -v p="$peer" -v m="$mine" -v pc="$(echo "$user1 + $system1" | bc)" \
            -v mc="$(echo "$user2 + $system2" | bc)" 'BEGIN {
            printf "%-22s round %d  md5sum %6.2f s (%5.2f s CPU)  verify %6.2f s (%5.2f s CPU)  %4.0f MB/s, %.2f x md5sum, by CPU %.2f x\n",
                n, r, p, pc, m, mc, b / m / 1e6, p / m, pc / mc }'
    done
}
compare "12 of 128 MiB" 12 $((128 << 20))
compare "100,000 of 4 KiB" 100000 4096

inventory=$work/inventory
[ -d "$inventory/data" ] || .build/release/icecore-bench-generate --rows "$rows" --files 4 --out "$inventory" >/dev/null
rm -rf "$work/store"
$icecore init "$work/store" --bucket s3://icecore-bench --inventory "file://$inventory" 2>/dev/null
$icecore sync --store "$work/store" --metadata-only >/dev/null 2>&1
for round in 1 2 3; do
    /usr/bin/time -o "$work/time" -f '%e %U %S %M' $icecore verify --index-only --store "$work/store" 2>/dev/null
    read -r wall user system memory <"$work/time"
    awk -v n="$rows" -v r="$round" -v w="$wall" -v c="$(echo "$user + $system" | bc)" -v m="$memory" 'BEGIN {
        printf "index of %d rows   round %d  %6.2f s (%5.2f s CPU)  %6.0f MiB\n", n, r, w, c, m / 1024 }'
done
/usr/bin/time -f "reindex of $rows rows       %e s, %M KiB" $icecore reindex --store "$work/store" 2>&1 >/dev/null | tail -1
