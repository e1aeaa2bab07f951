#!/bin/bash
# A push of one large blob to Ceph's S3 gateway, beside s5cmd in the same run, each time to a new server in memory.
#
#   Benchmarks/push.sh [GIBIBYTES [ROUNDS]]       3 and 3
#
# ICECORE names another program to measure than the release build.
set -euo pipefail
cd "$(dirname "$0")/.."
exec Benchmarks/downloads/prepare.sh nginx radosgw time -- /usr/bin/python3 Benchmarks/push/compare.py "$@"
