#!/bin/bash
# A year of nights: an inventory each night of a bucket that changes, synced into packs, pushed, pruned, verified, and
# killed now and then. In the end every one of 20 random nights must equal its inventory. Prints a line a night, and
# writes them to .build/bench/year.csv, from which plot.py draws docs/pictures/year.svg.
#
#   Benchmarks/year/year.sh [OBJECTS [NIGHTS]]        200,000 at first, 365
#
# ICECORE names another program to measure than the release build.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p .build/bench
gcc -O2 -Wall -o .build/bench/latency Benchmarks/downloads/latency.c
exec Benchmarks/downloads/prepare.sh gcc -- /usr/bin/python3 Benchmarks/year/year.py "$@"
