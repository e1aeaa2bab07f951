#!/bin/bash
# Small contents in packs beside files of their own, and beside the same files in ext4: first sync, disk space, verify, push,
# a directory read in order, and random files; caches are dropped before each, which takes root.
#
#   Benchmarks/packed.sh [OBJECTS [SIZE]]        300,000 and 1,280 bytes
#
# ICECORE names another program to measure than the release build.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build/bench
gcc -O2 -Wall -o .build/bench/latency Benchmarks/downloads/latency.c
exec Benchmarks/downloads/prepare.sh gcc time fusermount3 -- /usr/bin/python3 Benchmarks/packed/packs.py "$@"
