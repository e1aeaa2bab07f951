#!/bin/bash
# Serves 4 KiB objects over 32 connections and one of 1 GiB, beside nginx, which serves the same contents as files; and pages
# of a listing in a bucket of 10,000,000 keys.
#
#   Benchmarks/serve.sh [ROUNDS] [ROWS]       3, 10,000,000; 0 rows: no listing
#
# ICECORE names another program to measure than the release build.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-3}
rows=${2:-10000000}
PATH=$PATH:/usr/sbin
for program in nginx wrk curl python3; do
    command -v $program >/dev/null || { echo "please install $program" >&2; exit 1; }
done
icecore=${ICECORE:-}
if [ -z "$icecore" ]; then
    swift build -c release --static-swift-stdlib --product icecore >/dev/null
    icecore=$PWD/.build/release/icecore
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/icecore-bench-XXXXXX")
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
/usr/bin/python3 Benchmarks/serve/store.py "$work"
"$icecore" init "$work/store" --bucket s3://bench --inventory "file://$work/inventories" 2>/dev/null
"$icecore" sync --store "$work/store" --metadata-only >/dev/null 2>&1
"$icecore" adopt --store "$work/store" "$work/tree" --link hard >/dev/null 2>&1

cat >"$work/nginx.conf" <<CONF
master_process on; daemon off; worker_processes auto; pid $work/nginx.pid; error_log $work/error.log warn;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=10000 inactive=600s;
  client_body_temp_path $work/tmp; proxy_temp_path $work/tmp; fastcgi_temp_path $work/tmp; uwsgi_temp_path $work/tmp;
  scgi_temp_path $work/tmp; server { listen 127.0.0.1:18080; root $work/tree; } }
CONF
nginx -c "$work/nginx.conf" -e "$work/error.log" &
started+=($!)
serve() { # store, port
    "$icecore" serve --store "$1" --address "127.0.0.1:$2" --offline 2>"$work/serve-$2.err" &
    started+=($!)
    for _ in $(seq 100); do grep -q '^serving' "$work/serve-$2.err" && return; sleep 0.1; done
    cat "$work/serve-$2.err"
    exit 1
}
serve "$work/store" 18081
sleep 1
small() { # prefix, port
    KEYS=$work/keys PREFIX=$1 wrk -t2 -c32 -d5 -s Benchmarks/serve/random.lua "http://127.0.0.1:$2" | awk '/Requests\/sec/ {print $2}'
}
large() { curl -s -o /dev/null -w '%{speed_download}\n' "$1" | awk '{printf "%.0f\n", $1 / 1048576}'; }
for round in $(seq "$rounds"); do
    echo "round $round: 4 KiB, 32 connections: nginx $(small / 18080)/s, icecore $(small /bench/ 18081)/s"
    echo "round $round: 1 GiB: nginx $(large http://127.0.0.1:18080/large) MiB/s, icecore $(large http://127.0.0.1:18081/bench/large) MiB/s"
done
[ "$rows" -gt 0 ] || exit 0
swift build -c release --product icecore-bench-generate >/dev/null
.build/release/icecore-bench-generate --rows "$rows" --files 4 --out "$work/many" >/dev/null
"$icecore" init "$work/large" --bucket s3://icecore-bench --inventory "file://$work/many" 2>/dev/null
"$icecore" sync --store "$work/large" --metadata-only >/dev/null 2>&1
serve "$work/large" 18082
/usr/bin/python3 - "$rows" <<'SCRIPT'
import http.client, re, statistics, sys, time
link = http.client.HTTPConnection("127.0.0.1", 18082)
def page(query):
    start = time.perf_counter()
    link.request("GET", "/icecore-bench?list-type=2&" + query)
    body = link.getresponse().read()
    return (time.perf_counter() - start) * 1000, body
times, token = [], ""
for _ in range(200):
    took, body = page(f"continuation-token={token}" if token else "")
    times.append(took)
    token = re.search(b"<NextContinuationToken>(.*?)<", body).group(1).decode()
keys = [key.decode() for key in re.findall(b"<Key>(.*?)</Key>", body)]
far = [page(f"start-after={chr(byte)}")[0] for byte in range(0x30, 0x7b)]
print(f"pages of 1,000 of {sys.argv[1]} keys: median {statistics.median(times):.1f} ms, "
      f"most {max(times):.1f} ms; anywhere: median {statistics.median(far):.1f} ms")
SCRIPT
