#!/bin/bash
# Follows docs/OPERATING.md to the letter: runs every command in it, in order, for a sample bucket. Only paths below /srv and
# /etc lie elsewhere, and systemctl is a function that runs what the units say.
#
# usage: operate.sh PROGRAM DIRECTORY
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
program=$(realpath "$1")
work=$(realpath "$2")
python=$root/.build/testbed-venv/bin/python3
mkdir -p "$work/bin" "$work/srv" "$work/etc" "$work/metrics"
ln -s "$program" "$work/bin/icecore"

coproc server { exec "$python" "$root/Tests/demo/bucket.py" "$work/server" 2>"$work/server.log"; }
read -r -t 60 ready <&"${server[0]}"
port=$(sed -n 's/.*"port": "\{0,1\}\([^",}]*\).*/\1/p' <<<"$ready")
leave() {
    cd /
    if mountpoint -q "$work/srv/yesterday"; then fusermount3 -u -z "$work/srv/yesterday"; fi
    if [ -n "${server_PID:-}" ]; then
        local input=${server[1]} process=$server_PID
        eval "exec $input>&-"
        wait "$process" || true
    fi
}
trap leave EXIT
for name in $(compgen -e AWS_) ICECORE_STORE; do unset "$name"; done
export AWS_CONFIG_FILE=$work/config AWS_SHARED_CREDENTIALS_FILE=$work/credentials AWS_EC2_METADATA_DISABLED=true
export PATH=$work/bin:$PATH
for profile in default 'profile elsewhere'; do
    printf '[%s]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:%s\n' "$profile" "$port" >>"$AWS_CONFIG_FILE"
    printf '[%s]\naws_access_key_id = demo\naws_secret_access_key = demo\n' "${profile#profile }" >>"$AWS_SHARED_CREDENTIALS_FILE"
done
for bucket in backup-elsewhere some-empty-bucket; do
    "$root/.build/testbed-venv/bin/aws" --endpoint-url "http://127.0.0.1:$port" s3 mb "s3://$bucket"
done

# What a service does when it is started, with the file that it reads.
unit() { # icecore-sync@archive
    local file=$root/fuse/${1%%@*}@.service line
    set -a
    # shellcheck disable=SC1090
    source "$work/etc/${1#*@}.conf"
    set +a
    for what in ExecStart= ExecStopPost=-; do
        line=$(sed -n "s|^$what/usr/local/bin/||p" "$file")
        eval "$line"
    done
}
systemctl() {
    local word
    case $1 in
    enable) for word in "${@:3}"; do [ -e "$root/fuse/${word%%@*}@.timer" ] || return 1; done ;;
    start) unit "$2" ;;
    *) return 1 ;;
    esac
}
journalctl() { :; }

# The commands, a block in a file of its own.
awk -v work="$work" '/^```sh$/ { inside = 1; number += 1; next } /^```$/ { inside = 0 }
    inside { print > sprintf("%s/block-%02d", work, number) }' "$root/docs/OPERATING.md"
done=0
for block in "$work"/block-*; do
    sed -i "s|/srv/|$work/srv/|g; s|/var/lib/prometheus/node-exporter|$work/metrics|" "$block"
    if [[ $(head -n 1 "$block") == STORE=* ]]; then
        # The same, as a shell reads it.
        sed 's/=\(.*\)/="\1"/' "$block" >"$work/etc/archive.conf"
        continue
    fi
    echo "== $(basename "$block")"
    # shellcheck disable=SC1090
    source "$block"
    done=$((done + 1))
done
[ "$done" -ge 5 ]
systemctl start icecore-verify@archive

# What the text promises.
figures=$work/metrics/icecore-archive.prom
for figure in $(sed -n 's/^| `\(icecore_[a-z_]*\)[`{].*/\1/p' "$root/docs/OPERATING.md"); do
    grep -q "^$figure{" "$figures" || { echo "no $figure in $figures"; exit 1; }
done
grep -q 'icecore_absent_versions{.*state="missing"} 0$' "$figures"
"$python" - "$port" <<'CHECK'
import sys, boto3
s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1", aws_access_key_id="demo",
                  aws_secret_access_key="demo")
def objects(bucket):
    return {entry["Key"]: entry["ETag"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for entry in page.get("Contents", [])}
restored, original = objects("some-empty-bucket"), objects("reef-survey")
assert restored and restored == original, (restored, original)
CHECK
echo "everything in OPERATING.md was done, and the restored bucket equals the original"
