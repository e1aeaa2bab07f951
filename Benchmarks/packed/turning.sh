#!/bin/bash
# What a disk that turns would make of small contents in packs, in files of their own and in plain files: the requests that
# reach the disk are recorded, and get 8 ms for each seek and 150 MB a second. Takes root.
#
#   Benchmarks/packed/turning.sh [OBJECTS [SIZE]]        100,000 and 1,280 bytes
#
# ICECORE names another program to measure than the release build.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p .build/bench
gcc -O2 -Wall -o .build/bench/latency Benchmarks/downloads/latency.c
exec Benchmarks/downloads/prepare.sh gcc time fusermount3 mkfs.ext4 losetup -- /usr/bin/python3 Benchmarks/packed/turning.py "$@"
