#!/bin/sh
# Installs what mount(8) and systemd call, with the path of the program they start.
# usage: install.sh PREFIX DESTDIR SBINDIR UNITDIR
set -eu
cd "$(dirname "$0")"
program=$1/bin/icecore
put() { # file, mode, target
    mkdir -p "$(dirname "$3")"
    sed -e "s|^icecore=icecore\$|icecore=$program|" -e "s|/usr/local/bin/icecore|$program|" "$1" > "$3.new"
    chmod "$2" "$3.new"
    mv "$3.new" "$3"
    echo "installed $3"
}
put mount.fuse.icecore 755 "$2$3/mount.fuse.icecore"
put icecore@.service 644 "$2$4/icecore@.service"
put icecore-serve@.service 644 "$2$4/icecore-serve@.service"
# Mounts that other users may read would be walked every night.
updatedb=${UPDATEDB_CONF:-/etc/updatedb.conf}
if [ -z "$2" ] && [ -f "$updatedb" ] && ! grep -q '^ *PRUNEFS.*fuse\.icecore' "$updatedb"; then
    echo "to keep updatedb (locate) out of mounts with allow_other, add fuse.icecore to PRUNEFS in $updatedb"
fi
