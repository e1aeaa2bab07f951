#!/bin/bash
# Restores into Ceph's S3 gateway: 10,000 objects of 4 KiB and one of 1 GiB, beside s5cmd in the same run, each time to
# a new server in memory.
#
#   Benchmarks/restore.sh [ROUNDS]       5
#
# ICECORE names another program to measure than the release build.
set -euo pipefail
cd "$(dirname "$0")/.."
exec Benchmarks/downloads/prepare.sh nginx radosgw time -- /usr/bin/python3 Benchmarks/restore/compare.py "$@"
