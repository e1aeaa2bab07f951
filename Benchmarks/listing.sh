#!/bin/bash
# Lists a bucket at Ceph's S3 gateway, and one at a server that waits 50 ms, beside rclone, s5cmd and aws in the same run;
# then reads a page over and over, and lists a million versions for the memory that it takes.
#
#   Benchmarks/listing.sh [ROUNDS] [--gateway N] [--late N] [--rates N] [--many N]     3, and how many versions
#
# ICECORE names another program to measure than the release build; ICECORE_BENCH_LISTING the one that reads pages.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build/bench
gcc -O2 -Wall -o .build/bench/pages Benchmarks/listing/pages.c
if [ -z "${ICECORE_BENCH_LISTING:-}" ]; then swift build -c release --product icecore-bench-listing >&2; fi
exec Benchmarks/downloads/prepare.sh gcc radosgw rclone time -- /usr/bin/python3 Benchmarks/listing/compare.py "$@"
