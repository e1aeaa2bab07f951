#!/bin/bash
# Walks through last March of a sample bucket: a local S3 server, a store, two mounts side by side, and the same
# date for S3 clients and browsers.
#
# usage: demo.sh           on a terminal it ends in a shell inside the demo, else it cleans up and ends
#        demo.sh clean     takes away what a demo that was killed has left
#
# ICECORE is the program (default: .build/release/icecore). Everything is below .build/demo; ~/.aws is never read.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/.build/demo
program=${ICECORE:-$root/.build/release/icecore}
python=$root/.build/testbed-venv/bin/python3
bold='' dim='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi

say() { printf '\n%s%s%s\n' "$dim" "$*" "$plain"; }
fail() {
    printf '\ndemo: %s\n' "$*" >&2
    exit 1
}
mounts() { # All below the demo, innermost first. The mount of a program that died is no directory, but it stands there.
    awk '{ print $5 }' /proc/self/mountinfo | sed 's/\\040/ /g' | awk -v work="$work/" 'index($0, work) == 1' | sort -r
}
clean() {
    local mount
    cd /
    if [ -n "${serving:-}" ]; then
        kill "$serving" 2>/dev/null || true
        wait "$serving" 2>/dev/null || true
        unset serving
    fi
    if [ -n "${server_PID:-}" ]; then
        # It lives until its standard input ends.
        local server_input=${server[1]} process=$server_PID
        eval "exec $server_input>&-"
        wait "$process" 2>/dev/null || true
        unset server_PID
    fi
    while read -r mount; do
        # Busy for as long as somebody is in there; taken away, it goes when they leave.
        fusermount3 -u "$mount" 2>/dev/null || fusermount3 -u -z "$mount" || fail "cannot unmount $mount"
    done < <(mounts)
    rm -rf "$work"
}
# Shows a command and runs it. With an expected status other than 0: `run 1 diff …`.
run() {
    local expected=0 status=0
    if [[ $1 =~ ^[0-9]+$ ]]; then
        expected=$1
        shift
    fi
    printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@" || status=$?
    [ "$status" = "$expected" ] || fail "'$*' ended with status $status: see above"
}
# What must be true for the demo to have worked.
expect() {
    local what=$1
    shift
    "$@" >/dev/null 2>&1 || fail "$what: '$*' failed"
}

mkdir -p "$root/.build"
exec 9>"$root/.build/demo.lock"
flock -n 9 || fail "a demo is running here already: leave it first (its shell ends with 'exit')"
if [ "${1:-}" = clean ]; then
    clean
    exit
fi

[ -x "$program" ] || fail "there is no $program: run 'make build' first"
[ -x "$python" ] || fail "there is no $python: run 'make demo', which installs it"
[ -e /dev/fuse ] || fail "there is no /dev/fuse: 'modprobe fuse', or start the container with --device /dev/fuse --cap-add SYS_ADMIN"
command -v fusermount3 >/dev/null || fail "fusermount3 is missing: run 'make deps'"

clean
trap 'status=$?; trap - EXIT; clean; exit $status' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$work/bin" "$work/latest" "$work/march" "$work/home"
ln -s "$program" "$work/bin/icecore"

# Nothing of the person's own: no credentials, no profiles, no endpoint.
for name in $(compgen -e AWS_) ICECORE_STORE; do unset "$name"; done
export AWS_CONFIG_FILE=$work/home/config AWS_SHARED_CREDENTIALS_FILE=$work/home/credentials
export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_EC2_METADATA_DISABLED=true
export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8 PATH=$work/bin:$PATH
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1

say "Starting an S3 server on this machine, with a year of a small reef survey in its bucket 'reef-survey' …"
# It lives until its standard input ends, however this script does. 9 is the lock: not for it to hold.
coproc server { exec "$python" "$root/Tests/demo/bucket.py" "$work/server" 2>"$work/server.log" 9>&-; }
if ! read -r -t 60 ready <&"${server[0]}"; then
    tail -n 20 "$work/server.log" >&2
    fail "the S3 server did not start: see above"
fi
value() { sed -n "s/.*\"$1\": \"\\{0,1\\}\\([^\",}]*\\).*/\\1/p" <<<"$ready"; }
port=$(value port) date=$(value march) inventory=$(value inventory)
cd "$work"

say "A store keeps one bucket. It reads the bucket's S3 Inventory; it never lists the bucket."
run icecore init store --bucket s3://reef-survey --inventory "$inventory" --endpoint-url "http://127.0.0.1:$port"
export ICECORE_STORE=$work/store

say "The newest inventory lists old versions too, so one sync brings the bucket and its past."
run icecore sync

say "The bucket as it is, and as it was on $date:"
run icecore mount latest
run icecore mount march --at "$date"
run ls -l latest march
run cat march/bleaching.csv
run cat latest/README.md

say "What has changed since? (notes was a file, and became a directory.)"
run 1 diff -rq march latest

say "Every version of one key, newest first: it was overwritten in March, and deleted later."
run icecore versions bleaching.csv

say "Without FUSE, any S3 client reads any date, and a browser has a page with a time line."
printf '\n%s$ icecore serve &%s\n' "$bold" "$plain"
icecore serve --address 127.0.0.1:0 2>"$work/serve.log" 9>&- &
serving=$!
for _ in $(seq 100); do
    address=$(sed -n 's/^.*serving .* at \(http:[^ ]*\).*/\1/p' "$work/serve.log")
    [ -z "$address" ] || break
    kill -0 "$serving" 2>/dev/null || fail "icecore serve ended: $(cat "$work/serve.log")"
    sleep 0.1
done
[ -n "$address" ] || fail "icecore serve does not say where it is: $(cat "$work/serve.log")"
cat "$work/serve.log"
aws() { "$root/.build/testbed-venv/bin/aws" "$@"; }
run aws --region us-east-1 --endpoint-url "${address%/}" s3 ls "s3://reef-survey--$date/"
echo
echo "The page: $bold$address-/$plain"

expect "the server shows the file of the past" test "$(aws --region us-east-1 --endpoint-url "${address%/}" s3 cp "s3://reef-survey--$date/bleaching.csv" - | cksum)" = "$(cksum <march/bleaching.csv)"
expect "the page is there" "$python" -c 'import sys, urllib.request; sys.exit(b"reef-survey" not in urllib.request.urlopen(sys.argv[1] + "-/").read())' "$address"
expect "the past has what was deleted since" test -f march/bleaching.csv
expect "the present does not have what was deleted" test ! -e latest/bleaching.csv
expect "a key is a file in the past" test -f march/notes
expect "and a directory now" test -d latest/notes
expect "the large object is whole" test "$(stat -c %s march/photos/transect-07.tiff)" = 12582912
expect "both dates read the same object" cmp march/photos/transect-07.tiff latest/photos/transect-07.tiff
expect "a chunk that was recalibrated later" test ! -e march/temperature.zarr/celsius/5.0
expect "is there now" test -f latest/temperature.zarr/celsius/5.0

if [ -t 0 ] && [ -t 1 ]; then
    cat <<END

${bold}Now walk on: this shell stands beside both trees. 'exit' unmounts and removes everything.${plain}

    $address-/                        the page: drag its time line
    ls -lR march                                   all of last March
    icecore diff $date latest                 what has changed since, from the index alone
    icecore ls -l --at 30d                         the bucket a month ago; any date will do
    icecore cat README.md --at $date
    icecore status
    mkdir all; icecore mount all --history         every date and every version in one tree

END
    cat >home/bashrc <<'END'
PS1='\[\e[1m\]demo\[\e[0m\]:\W\$ '
unset HISTFILE PROMPT_COMMAND
END
    bash --noprofile --rcfile home/bashrc -i || true
    clean
    echo "Unmounted and removed. 'make demo' starts anew."
else
    printf '\nThe demo works. (On a terminal it goes on with a shell in which to look around.)\n'
fi
