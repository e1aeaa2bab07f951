#!/bin/bash
# Installs the package in fresh roots of Debian 12 and 13, uses it there as an ordinary user, purges it, and looks what is left.
# Takes root, debootstrap, a mirror of Debian and 1 GB.
# usage: try.sh PACKAGE [bookworm|trixie …]
set -euo pipefail
package=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- bookworm trixie
work=$(mktemp -d "${TMPDIR:-/tmp}/icecore-deb-XXXXXX")
mounted=()
leave() {
    for place in "${mounted[@]}"; do umount -l "$place"; done
    rm -rf --one-file-system "$work"
}
trap leave EXIT

for release in "$@"; do
    echo "== Debian $release"
    root=$work/$release
    debootstrap --variant=minbase "$release" "$root" >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
    for place in proc dev sys; do
        mount --rbind "/$place" "$root/$place"
        mount --make-rslave "$root/$place"
        mounted+=("$root/$place")
    done
    cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
    cp "$package" "$root/tmp/icecore.deb"
    inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
    # A minimal root leaves out manual pages.
    rm -f "$root"/etc/dpkg/dpkg.cfg.d/*
    inside apt-get update -qq
    inside apt-get install -y -qq --no-install-recommends man-db bash-completion systemd passwd attr >/dev/null 2>&1
    find "$root/usr" "$root/etc" "$root/var/lib" -not -path '*/dpkg/*' -not -path '*/apt/*' | sort >"$work/before"
    inside apt-get install -y -qq --no-install-recommends /tmp/icecore.deb >"$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
    inside icecore --version
    inside man icecore-sync | sed -n '1,6p'
    inside bash -c '. /usr/share/bash-completion/bash_completion; . /usr/share/bash-completion/completions/icecore; complete -p icecore'
    inside systemd-analyze verify /usr/lib/systemd/system/icecore-sync@.service 2>&1 | head -3
    inside systemctl cat icecore-sync@.timer | grep OnCalendar
    inside useradd --create-home --shell /bin/sh somebody
    cat >"$root/tmp/use.sh" <<'USE'
set -eu
cd
mkdir -p inventory/2024-03-02T01-00Z inventory/data mnt
printf '"sample","a/key","v1","true","false","0","2024-03-01T00:00:00.000Z","d41d8cd98f00b204e9800998ecf8427e"\n' | gzip >inventory/data/list.csv.gz
size=$(stat -c %s inventory/data/list.csv.gz)
sum=$(md5sum <inventory/data/list.csv.gz | cut -d' ' -f1)
printf '{"sourceBucket":"sample","destinationBucket":"arn:aws:s3:::x","version":"2016-11-30","creationTimestamp":"1709341200000","fileFormat":"CSV","fileSchema":"Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag","files":[{"key":"data/list.csv.gz","size":%s,"MD5checksum":"%s"}]}' "$size" "$sum" >inventory/2024-03-02T01-00Z/manifest.json
md5sum <inventory/2024-03-02T01-00Z/manifest.json | cut -d' ' -f1 | tr -d '\n' >inventory/2024-03-02T01-00Z/manifest.checksum
icecore init store --bucket s3://sample --inventory "file://$HOME/inventory" --no-sign-request --headers none
icecore sync --store store
icecore ls --store store -R
icecore mount mnt --store store --at 2024-03-02T01-00Z
ls -l mnt/a/key
fusermount3 -u mnt
icecore status --store store --prometheus status.prom
grep '^icecore_keys' status.prom
USE
    inside su somebody -c 'sh /tmp/use.sh'
    inside apt-get purge -y -qq icecore >"$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
    rm -f "$root/tmp/icecore.deb" "$root/tmp/use.sh"
    inside apt-get autoremove -y -qq --purge >/dev/null 2>&1
    find "$root/usr" "$root/etc" "$root/var/lib" -not -path '*/dpkg/*' -not -path '*/apt/*' | sort >"$work/after"
    left=$(comm -13 "$work/before" "$work/after" | grep -i icecore || true)
    [ -z "$left" ] || { echo "left after a purge: $left"; exit 1; }
    [ -e "$root/home/somebody/store/icecore.json" ] || { echo "the purge took a store"; exit 1; }
    echo "nothing is left but the store"
done
