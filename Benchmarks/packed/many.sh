#!/bin/bash
# A store of 30 million contents of 96 bytes in packs: memory, a day with 1 % new, whether the catalogue is read and written
# in order, and look-ups. Caches are dropped, which takes root. It needs about 20 GB of disk.
#
#   Benchmarks/packed/many.sh [CONTENTS]
#
# ICECORE and ICECORE_BENCH_PACKS name other programs than the release builds.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p .build/bench
gcc -O2 -Wall -o .build/bench/latency Benchmarks/downloads/latency.c
if [ -z "${ICECORE_BENCH_PACKS:-}" ]; then
    swift build -c release --static-swift-stdlib --product icecore-bench-packs >&2
    export ICECORE_BENCH_PACKS=$PWD/.build/release/icecore-bench-packs
fi
exec Benchmarks/downloads/prepare.sh gcc time fusermount3 strace -- /usr/bin/python3 Benchmarks/packed/many.py "$@"
