#!/bin/bash
# Makes the pictures of README anew: the page of the demo's bucket, in light and in dark.
# usage: pictures.sh        ICECORE is the program (default: .build/release/icecore)
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
program=${ICECORE:-$root/.build/release/icecore}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in $(compgen -e AWS_) ICECORE_STORE; do unset "$name"; done
export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_EC2_METADATA_DISABLED=true HOME=$work LC_ALL=C.UTF-8
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 PYTHONDONTWRITEBYTECODE=1
"$root/.build/testbed-venv/bin/python3" "$root/Tests/browser/pictures.py" "$program" "$root/Tests/demo/bucket.py" \
    "$work" "$root/docs/pictures"
ls -l "$root/docs/pictures"
