#!/usr/bin/env bash
# Ten daily inventories with 1 % changes, synced in order: every snapshot view must equal its inventory, compared by a
# checksum over all sorted rows, and the index must grow by less than 3 % a day.
#
#   Benchmarks/days.sh [ROWS] [DAYS]        default: 1,000,000 rows, 10 days
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-1000000}
days=${2:-10}
work=$(mktemp -d "${TMPDIR:-/tmp}/icecore-days-XXXXXX")
trap 'rm -rf "$work"' EXIT
for product in icecore icecore-bench-generate; do
    swift build -c release --static-swift-stdlib --product $product >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
done
icecore=.build/release/icecore

# What the inventory itself says, read by other code: the latest rows that are no markers.
cat >"$work/expected.py" <<'P'
import csv, gzip, hashlib, json, os, sys, urllib.parse
root, name = sys.argv[1:]
manifest = json.load(open(f"{root}/{name}/manifest.json"))
columns = [column.strip() for column in manifest["fileSchema"].split(",")]
place = {column: number for number, column in enumerate(columns)}
lines = []
for file in manifest["files"]:
    with gzip.open(f"{root}/data/{os.path.basename(file['key'])}", "rt", newline="") as text:
        for row in csv.reader(text):
            if row[place["IsLatest"]] == "true" and row[place["IsDeleteMarker"]] != "true":
                time = row[place["LastModifiedDate"]].replace(".000Z", "Z")
                key = urllib.parse.unquote_plus(row[place["Key"]])
                lines.append("\t".join([key, row[place["Size"]], time, row[place["ETag"]], row[place["VersionId"]]]))
lines.sort()
print(hashlib.sha256("\n".join(lines).encode()).hexdigest(), len(lines))
P
cat >"$work/shown.py" <<'P'
import hashlib, json, sys
lines = []
for line in sys.stdin:
    row = json.loads(line)
    lines.append("\t".join([row["key"], str(row["size"]), row["lastModified"], row["etag"], row["versionId"]]))
lines.sort()
print(hashlib.sha256("\n".join(lines).encode()).hexdigest(), len(lines))
P

$icecore init "$work/store" --bucket s3://icecore-bench --inventory "file://$work/inventory" 2>/dev/null
before=0
for day in $(seq 0 $((days - 1))); do
    .build/release/icecore-bench-generate --rows "$rows" --day "$day" --change-percent 1 --out "$work/inventory" >/dev/null
    $icecore sync --metadata-only --store "$work/store" 2>/dev/null
    size=$(stat -c %s "$work/store/index.sqlite")
    [ $before = 0 ] || awk -v a=$before -v b="$size" 'BEGIN { printf "the index grew by %.2f %%\n", (b - a) * 100 / a; exit b > a * 1.03 }'
    before=$size
done
for name in $(ls "$work/inventory" | grep Z); do
    expected=$(python3 "$work/expected.py" "$work/inventory" "$name")
    shown=$($icecore ls -R --json --at "$name" --store "$work/store" 2>/dev/null | python3 "$work/shown.py")
    [ "$expected" = "$shown" ] || { echo "$name: the inventory has $expected, the view $shown"; exit 1; }
    echo "$name: $shown equal"
done
