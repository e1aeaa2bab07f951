#!/bin/bash
# Installs what is missing, with apt, with sudo where not root; does and says nothing where nothing is missing.
# usage: deps.sh build|demo|test|deb
set -euo pipefail

packages=()
library() { # package, its name in pkg-config
    pkg-config --exists "$2" 2>/dev/null || packages+=("$1")
}
program() { # package, a program of it
    PATH=$PATH:/usr/sbin:/sbin command -v "$2" >/dev/null || packages+=("$1")
}
case ${1:-} in
build)
    program pkg-config pkg-config
    program make make
    library zlib1g-dev zlib
    library libcurl4-openssl-dev libcurl
    library libsqlite3-dev sqlite3
    library libfuse3-dev fuse3
    program fuse3 fusermount3
    ;;
demo)
    program fuse3 fusermount3
    program diffutils diff
    program util-linux flock
    ;;
test)
    program attr getfattr
    program fuse3 fusermount3
    program sqlite3 sqlite3
    program procps ps
    program strace strace
    program rsync rsync
    program git git
    program e2fsprogs mkfs.ext4
    program exfatprogs mkfs.exfat
    program exfat-fuse mount.exfat-fuse
    program dosfstools mkfs.vfat
    program fusefat fusefat
    program plocate updatedb
    program mandoc mandoc
    program systemd systemd-analyze
    program chromium chromium
    program chromium-driver chromedriver
    program ntfs-3g lowntfs-3g
    # In the place of a machine's own ZFS, which it would remove.
    PATH=$PATH:/usr/sbin:/sbin command -v zpool >/dev/null || packages+=(zfs-fuse)
    ;;
deb)
    program dpkg-dev dpkg-shlibdeps
    program binutils strip
    program python3 python3
    ;;
*)
    echo "usage: deps.sh build|demo|test|deb" >&2
    exit 64
    ;;
esac
[ ${#packages[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "please install what Debian calls: ${packages[*]}" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "please install as root: apt-get install ${packages[*]}" >&2
        exit 1
    }
    sudo=sudo
fi
echo "installing ${packages[*]}" >&2
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
