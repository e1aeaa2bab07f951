#!/usr/bin/env bash
# The index: first sync, a sync that finds nothing new, a day with 1 % changes, look-ups. All in one run, with the limits
# that they are measured against: gunzip alone, and SQLite's clustered insert alone.
#
#   Benchmarks/index.sh [ROWS] [DIRECTORY]        default: 10,000,000 rows in a temporary directory (8 GB are needed)
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-10000000}
work=${2:-$(mktemp -d "${TMPDIR:-/tmp}/icecore-bench-XXXXXX")}
mkdir -p "$work"
[ $# -ge 2 ] || trap 'rm -rf "$work"' EXIT
for product in icecore icecore-bench-generate icecore-bench-insert; do
    swift build -c release --static-swift-stdlib --product $product >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
done
bin=.build/release
icecore=$bin/icecore

# timed NAME ROWS COMMAND…: wall seconds, CPU seconds, rows a second, peak memory.
timed() {
    local name=$1 count=$2
    shift 2
    /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@" >"$work/out" 2>"$work/err" || { cat "$work/err"; exit 1; }
    read -r wall user system memory <"$work/time"
    awk -v n="$name" -v c="$count" -v w="$wall" -v u="$user" -v s="$system" -v m="$memory" 'BEGIN {
        printf "%-34s %8.2f s  %8.2f s CPU  %9.3f M rows/s  %6.0f MiB\n", n, w, u + s, c / w / 1e6, m / 1024 }'
}

echo "$(date -u +%Y-%m-%d), $(nproc) cores, $(uname -r), $rows rows"
inventory=$work/inventory
[ -d "$inventory/data" ] || {
    $bin/icecore-bench-generate --rows "$rows" --files 4 --out "$inventory" >/dev/null
    $bin/icecore-bench-generate --rows "$rows" --files 4 --day 1 --change-percent 0 --out "$inventory" >/dev/null
    $bin/icecore-bench-generate --rows "$rows" --files 4 --day 1 --change-percent 1 --out "$work/changed" >/dev/null
    $bin/icecore-bench-generate --rows "$rows" --files 4 --shuffle --out "$work/shuffled" >/dev/null
}
first=$(ls "$inventory" | grep Z | head -n 1)
lists() { python3 - "$1" "$2" <<'P'
import json, os, sys
root, name = sys.argv[1:]
for file in json.load(open(f"{root}/{name}/manifest.json"))["files"]:
    print(f"{root}/data/{os.path.basename(file['key'])}")
P
}
lists "$inventory" "$first" >"$work/lists"
fresh() { rm -rf "$work/store"; $icecore init "$work/store" --bucket s3://icecore-bench --inventory "file://$1" 2>/dev/null; }

for round in 1 2 3; do
    echo "round $round"
    timed "gunzip alone, one core" "$rows" sh -c "xargs gunzip -c <'$work/lists' >/dev/null"
    timed "SQLite's clustered insert alone" "$rows" $bin/icecore-bench-insert "$rows" "$work/insert.sqlite"
    fresh "$inventory"
    timed "first sync" "$rows" $icecore sync --metadata-only --date "$first" --store "$work/store"
    rm -rf "$work/base"; cp -r "$work/store" "$work/base"
    timed "sync that finds nothing new" "$rows" $icecore sync --metadata-only --store "$work/store"
    rm -rf "$work/store"; mv "$work/base" "$work/store"
    size=$(stat -c %s "$work/store/index.sqlite")
    sed -i "s|file://$inventory|file://$work/changed|" "$work/store/icecore.json"
    timed "sync of a day with 1 % changes" "$rows" $icecore sync --metadata-only --store "$work/store"
    echo "index: $size bytes, $((size / rows)) a version; after the day $(stat -c %s "$work/store/index.sqlite")"
done
key=$($icecore ls -R --store "$work/store" zarr/ | sed -n 1000p)
before=$(date -u -d '2024-11-06 00:00:00' +%Y-%m-%dT%H:%M:%SZ)
timed "versions KEY" 1 $icecore versions --store "$work/store" "$key"
timed "ls of one directory, latest" 1 $icecore ls --store "$work/store" "${key%/*}/"
timed "ls of one directory, an instant" 1 $icecore ls --store "$work/store" --at "$before" "${key%/*}/"
timed "diff of the two snapshots" "$rows" $icecore diff --store "$work/store" "$first" latest
fresh "$work/shuffled"
timed "first sync of shuffled rows" "$rows" $icecore sync --metadata-only --store "$work/store"
