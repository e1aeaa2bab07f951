#!/bin/bash
# Downloads, beside the programs that people use for them, in one run: many small objects and a large one from nginx, and
# small ones from a server that answers 50 ms after a request has arrived.
#
#   Benchmarks/downloads.sh [OPTION…]             'Benchmarks/downloads.sh --help' lists them
#
# ICECORE names another program to measure than the release build.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build/bench
gcc -O2 -Wall -o .build/bench/latency Benchmarks/downloads/latency.c
exec Benchmarks/downloads/prepare.sh nginx rclone strace gcc curl time -- /usr/bin/python3 Benchmarks/downloads/compare.py "$@"
