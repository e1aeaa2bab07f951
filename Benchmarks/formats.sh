#!/usr/bin/env bash
# The formats of inventories against each other: the same rows as CSV, Parquet and ORC, read for nobody, and by a sync that
# finds nothing new. pyarrow writes them, with the settings of AWS's own reports.
#
#   Benchmarks/formats.sh [ROWS] [DIRECTORY]        default: 10,000,000 rows in a temporary directory (10 GB are needed)
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-10000000}
work=${2:-$(mktemp -d "${TMPDIR:-/tmp}/icecore-bench-XXXXXX")}
mkdir -p "$work"
[ $# -ge 2 ] || trap 'rm -rf "$work"' EXIT
Tests/Testbed/servers/install.sh >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
for product in icecore icecore-bench-generate icecore-bench-inventory; do
    swift build -c release --static-swift-stdlib --product $product >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
done
bin=.build/release
[ -d "$work/csv/data" ] || {
    $bin/icecore-bench-generate --rows "$rows" --files 4 --out "$work/csv" >/dev/null
    $bin/icecore-bench-generate --rows "$rows" --files 4 --day 1 --change-percent 0 --out "$work/csv" >/dev/null
}
for format in parquet orc; do
    [ -d "$work/$format/data" ] || .build/testbed-venv/bin/python3 Benchmarks/formats/convert.py "$work/csv" "$work/$format" $format
done
first=$(ls "$work/csv" | grep Z | head -n 1)
second=$(ls "$work/csv" | grep Z | tail -n 1)
echo "$(date -u +%Y-%m-%d), $(nproc) cores, $(uname -r), $rows rows"
for format in csv parquet orc; do
    [ -d "$work/$format.store" ] || {
        $bin/icecore init "$work/$format.store" --bucket s3://icecore-bench --inventory "file://$work/$format" 2>/dev/null
        $bin/icecore sync --metadata-only --date "$first" --store "$work/$format.store" >/dev/null
    }
    echo "$format: $(du -m --apparent-size "$work/$format/data" | cut -f 1) MiB for both days"
done

# Everything of one round runs in turn, so that what else the machine does meets all of them.
for round in 1 2 3; do
    echo "round $round"
    for format in csv parquet orc; do
        printf '%-8s ' $format
        $bin/icecore-bench-inventory --reader-only "$work/$format/$second/manifest.json"
    done
    for format in csv parquet orc; do
        rm -rf "$work/store"
        cp -r "$work/$format.store" "$work/store"
        /usr/bin/time -o "$work/time" -f '%e %U %S %M' \
            $bin/icecore sync --metadata-only --store "$work/store" >"$work/out" 2>"$work/err" || { cat "$work/err"; exit 1; }
        read -r wall user system memory <"$work/time"
        awk -v n="$format" -v c="$rows" -v w="$wall" -v u="$user" -v s="$system" -v m="$memory" 'BEGIN {
            printf "%-8s sync that finds nothing new %8.2f s  %8.2f s CPU  %9.3f M rows/s  %6.0f MiB\n", n, w, u + s, c / w / 1e6, m / 1024 }'
    done
done
