#!/bin/bash
# What headers cost: small objects without a Content-Type of their own, all with one, and with one of 200; the size of the
# index, and the time of the first sync, which fetches the contents, too.
#
#   Benchmarks/headers.sh [OBJECTS [ROUNDS]]        300,000 and 3
#
# ICECORE names another program to measure than the release build; ICECORE_BEFORE a second one, to compare with in turns.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build/bench
gcc -O2 -Wall -o .build/bench/latency Benchmarks/downloads/latency.c
exec Benchmarks/downloads/prepare.sh gcc time -- /usr/bin/python3 Benchmarks/headers/compare.py "$@"
