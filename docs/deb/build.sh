#!/bin/bash
# Makes .build/icecore_<version>_<architecture>.deb, which installs on the Debian that it was made on and on later ones, and
# beside it a tar.gz of the same files.
# usage: build.sh [PROGRAM]      another program than the release build, which is made if it is not there
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d "${TMPDIR:-/tmp}/icecore-deb-XXXXXX")
trap 'rm -rf "$work"' EXIT

program=${1:-}
if [ -z "$program" ]; then
    # libfuse3 has another name in each Debian, so it goes into the program.
    mkdir "$work/pkgconfig"
    {
        echo "Name: fuse3"
        echo "Description: libfuse3, as an archive"
        echo "Version: $(pkg-config --modversion fuse3)"
        echo "Libs: -l:libfuse3.a"
        echo "Cflags: $(pkg-config --cflags fuse3)"
    } >"$work/pkgconfig/fuse3.pc"
    PKG_CONFIG_PATH=$work/pkgconfig swift build -c release --static-swift-stdlib --product icecore --scratch-path .build/deb
    program=.build/deb/release/icecore
fi
version=$("$program" --version)
architecture=$(dpkg --print-architecture)
root=$work/root
mkdir -p "$root/usr/bin"
install -m 755 "$program" "$root/usr/bin/icecore"
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/icecore"
fuse/install.sh /usr "$root" /usr/sbin /usr/lib/systemd/system >/dev/null
# systemd runs it as what it finds first.
mkdir -p "$root/etc/icecore"

python3 docs/man/make.py "$program" "$root/usr/share/man"
find "$root/usr/share/man" -type f -exec gzip -9n {} +

complete() { # shell, file
    mkdir -p "$(dirname "$root/$2")"
    "$program" --generate-completion-script "$1" | sed '1{/^#!/d}' >"$root/$2"
}
complete bash usr/share/bash-completion/completions/icecore
complete zsh usr/share/zsh/vendor-completions/_icecore
complete fish usr/share/fish/vendor_completions.d/icecore.fish

documents=$root/usr/share/doc/icecore
mkdir -p "$documents/examples"
{
    echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
    echo "Upstream-Name: Icecore"
    echo
    echo "Files: *"
    echo "Copyright: $(sed -n 's/^Copyright (c) //p' LICENSE)"
    echo "License: MIT"
    sed -e '1,4d' -e 's/^$/./' -e 's/^/ /' LICENSE
    echo
    cat docs/deb/copyright-libraries
} >"$documents/copyright"
{
    echo "icecore ($version) stable; urgency=medium"
    echo
    echo "  * What has changed is in CHANGELOG.md."
    echo
    echo " -- $(sed -n 's/^Maintainer: //p' docs/deb/control)  $(date -uR -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}")"
} | gzip -9n >"$documents/changelog.gz"
cp README.md "$documents/"
gzip -9nc CHANGELOG.md >"$documents/CHANGELOG.md.gz"
cp docs/*.md "$documents/"
cp docs/examples/* "$documents/examples/"
gzip -9n "$documents"/FORMAT.md "$documents"/SEMANTICS.md

mkdir "$work/debian"
: >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "$root/usr/bin/icecore" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
mkdir "$root/DEBIAN"
{
    echo "Package: icecore"
    echo "Version: $version"
    echo "Architecture: $architecture"
    echo "Section: admin"
    echo "Priority: optional"
    echo "Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f 1)"
    echo "Depends: $depends, fuse3"
    echo "Recommends: ca-certificates"
    cat docs/deb/control
} >"$root/DEBIAN/control"
install -m 755 docs/deb/postinst docs/deb/prerm docs/deb/postrm "$root/DEBIAN/"
(cd "$root" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2 >DEBIAN/md5sums)
find "$root" -type d -exec chmod 755 {} +
find "$root/usr/share" "$root/usr/lib" -type f -exec chmod 644 {} +
chmod 644 "$root"/DEBIAN/control "$root"/DEBIAN/md5sums

mkdir -p .build
package=.build/icecore_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
rm -rf "$root/DEBIAN"
tar -C "$work" --owner=0 --group=0 --sort=name --transform "s,^root,icecore-$version," -czf ".build/icecore-$version-$architecture.tar.gz" root
echo "$package"
echo ".build/icecore-$version-$architecture.tar.gz"
