import Basics
import Foundation
import Testbed
import Testing

/// `mount -t fuse.icecore`, as root, in a mount namespace of its own, where the helper is in /sbin without being in
/// anybody else's.
@Suite struct MountHelperTests {
    typealias Row = InventoryFolder.Row

    /// What every script begins with: `$1` is the repository's fuse/, `$2` the program, `$3` the store.
    private static let preparation = """
        cp "$(readlink -f "$(command -v updatedb)")" updatedb
        mount -t tmpfs tmpfs /sbin
        mkdir -p prefix/bin mnt
        ln -sf "$2" prefix/bin/icecore
        "$1/install.sh" "$PWD/prefix" "" /sbin "$PWD/units" > /dev/null
        store=$3
        fails() { # status, words, command
            local status=0 said
            said=$("${@:3}" 2>&1) || status=$?
            [ "$status" = "$1" ] || { echo "status $status, not $1: ${*:3}: $said" >&2; return 1; }
            case $said in *"$2"*) ;; *) echo "not '$2' but: $said" >&2; return 1 ;; esac
        }

        """

    private func use(_ script: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [Row("dir/old", bytes("of the second"))])
            try scenario.add("2024-03-04T01-00Z", [Row("dir/new", bytes("of the fourth"))])
            try scenario.succeed("sync", "--from", "2024-03-02", "--to", "2024-03-04")
            let fuse = URL(filePath: #filePath).pathComponents.dropLast(4).joined(separator: "/").dropFirst() + "/fuse"
            try Files.replace("\(scenario.directory)/script", with: bytes(MountHelperTests.preparation + script))
            let program = try HistoryProgram(directory: scenario.directory).path
            try scenario.shell(
                "unshare --mount --propagation private bash -euo pipefail script \"$@\"", String(fuse), program,
                scenario.store)
        }
    }

    @Test func mountTakesItsOptions() throws {
        try use(
            """
            mount -t fuse.icecore "$store" mnt
            [ "$(cat mnt/dir/new)" = "of the fourth" ]
            fails 32 busy mount -t fuse.icecore "$store" mnt -o at=2024-03-02
            umount mnt
            mount -t fuse.icecore "$store" mnt \
                -o at=2024-03-02,allow_other,offline,noauto,nofail,_netdev,user,ro,noatime,x-systemd.automount,no_passthrough
            [ "$(cat mnt/dir/old)" = "of the second" ]
            [ ! -e mnt/dir/new ]
            grep -q "^$store $PWD/mnt fuse.icecore ro,.*allow_other" /proc/self/mounts
            umount mnt
            mount -t fuse.icecore -o history,fsname=archive "$store" mnt
            ls mnt/at | grep -q 2024-03-02T01-00Z
            grep -q "^archive $PWD/mnt fuse.icecore " /proc/self/mounts
            fails 1 "unmount" /sbin/mount.fuse.icecore "$store" mnt -o remount
            umount mnt
            # As mount(8) mounts anything else.
            echo hidden > mnt/file
            mount -t fuse.icecore "$store" mnt -o nonempty
            [ ! -e mnt/file ] && [ -e mnt/dir/new ]
            umount mnt
            rm mnt/file
            # What mount(8) says of failures is in mount(8): 1 for a wrong call, 32 for a mount that was not made.
            fails 1 "unknown option 'colour=blue'" mount -t fuse.icecore "$store" mnt -o colour=blue
            fails 1 "not a point in time" mount -t fuse.icecore "$store" mnt -o at=nonsense
            fails 32 "after the newest snapshot" mount -t fuse.icecore "$store" mnt -o at=2030-01-01
            fails 32 "" mount -t fuse.icecore "$PWD" mnt
            fails 1 usage /sbin/mount.fuse.icecore "$store"
            /sbin/mount.fuse.icecore "$store" mnt -sfnv -o colour=blue
            ! mountpoint -q mnt
            """)
    }

    @Test func othersAreLetInWhenTheyAreAllowed() throws {
        try use(
            """
            mount -t tmpfs tmpfs /mnt
            mkdir /mnt/m
            other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
            mount -t fuse.icecore "$store" /mnt/m
            fails 1 denied other cat /mnt/m/dir/new
            umount /mnt/m
            mount -t fuse.icecore "$store" /mnt/m -o allow_other
            [ "$(other cat /mnt/m/dir/new)" = "of the fourth" ]
            other test -r /mnt/m/dir/new && other test -x /mnt/m/dir && ! other test -x /mnt/m/dir/new
            fails 1 "Read-only" touch /mnt/m/dir/other
            umount /mnt/m
            """)
    }

    @Test func aGroupReadsWhatOthersDoNot() throws {
        try use(
            """
            mount -t tmpfs tmpfs /mnt
            mkdir /mnt/m /mnt/copies
            chmod 777 /mnt/copies
            as() { setpriv --reuid "$1" --regid "$2" --clear-groups "${@:3}"; }
            mount -t fuse.icecore "$store" /mnt/m -o allow_other,uid=1234,gid=nogroup,umask=027
            [ "$(stat -c '%a %u %g' /mnt/m/dir /mnt/m/dir/new | sort)" = $'440 1234 65534\n550 1234 65534' ]
            [ "$(as 4321 65534 cat /mnt/m/dir/new)" = "of the fourth" ]
            [ "$(as 1234 4321 cat /mnt/m/dir/new)" = "of the fourth" ]
            fails 1 denied as 4321 4321 cat /mnt/m/dir/new
            fails 2 denied as 4321 4321 ls /mnt/m
            fails 1 denied as 4321 4321 cat /mnt/m/dir/new
            # What members of the group do with it all day.
            cd /mnt/copies
            as 4321 65534 cp -a /mnt/m cp 2> errors
            as 4321 65534 rsync -a /mnt/m/ rsync/ 2> errors
            as 4321 65534 tar -C /mnt/m -cf tar .
            mkdir untar && tar -C untar -xf tar
            for copy in cp rsync untar; do [ "$(cat $copy/dir/new)" = "of the fourth" ]; chmod -R u+w $copy; done
            [ -z "$(as 4321 65534 rsync -ani --no-o --no-g --no-p /mnt/m/ rsync/)" ]
            as 4321 65534 find /mnt/m -xdev -type f | grep -q dir/new
            as 4321 65534 df /mnt/m | grep -q "$store"
            [ "$(as 4321 65534 stat -f -c %T /mnt/m)" = fuseblk ] || [ "$(stat -f -c %T /mnt/m)" = fuse ]
            cd - > /dev/null
            umount /mnt/m
            mount -t fuse.icecore "$store" /mnt/m -o allow_other,history,umask=277
            [ "$(stat -c %a /mnt/m /mnt/m/README.txt /mnt/m/at /mnt/m/versions/dir/new | sort -u)" = $'400\n500' ]
            fails 1 denied as 4321 65534 cat /mnt/m/latest/dir/new
            umount /mnt/m
            fails 1 "is not a mode" mount -t fuse.icecore "$store" /mnt/m -o umask=888
            fails 1 "no user 'nobody at all'" mount -t fuse.icecore "$store" /mnt/m -o "uid=nobody at all"
            fails 1 "too large" mount -t fuse.icecore "$store" /mnt/m -o gid=4294967295
            """)
    }

    @Test func updatedbPassesOverWhatPRUNEFSNames() throws {
        try use(
            """
            mount -t fuse.icecore "$store" mnt -o allow_other
            list() { ./updatedb -l no -U "$PWD" -o "$1" --prunepaths "" --prunefs "$2" && locate -d "$1" dir/new; }
            list all "tmpfs" | grep -q mnt/dir/new
            ! list pruned "tmpfs fuse.icecore"
            umount mnt
            echo 'PRUNEFS="nfs tmpfs"' > updatedb.conf
            installed() { UPDATEDB_CONF=$PWD/updatedb.conf "$1/install.sh" "$PWD/prefix" "" /sbin "$PWD/units"; }
            installed "$1" | grep -q "add fuse.icecore to PRUNEFS in $PWD/updatedb.conf"
            echo 'PRUNEFS="nfs tmpfs fuse.icecore"' > updatedb.conf
            ! installed "$1" | grep PRUNEFS
            """)
    }

    @Test func whatAppArmorForbidsIsSaidToBeThat() throws {
        try use(
            """
            mount -t tmpfs -o mode=755 tmpfs /mnt
            cp -a "$store" /mnt/store
            chmod -R a+rX /mnt/store
            mknod -m 666 /mnt/fuse c 10 229
            mount --bind /mnt/fuse /dev/fuse
            mkdir /mnt/m
            chown 65534 /mnt/m
            refused() { # what fusermount3 prints, what is expected
                printf '#!/bin/sh\necho "fusermount3: mount failed: %s" >&2\nexit 1\n' "$1" > /mnt/fusermount3
                chmod 755 /mnt/fusermount3
                mount --bind /mnt/fusermount3 /usr/bin/fusermount3
                fails 1 "$2" setpriv --reuid 65534 --regid 65534 --clear-groups \
                    "$program" mount --store /mnt/store /mnt/m
                umount /usr/bin/fusermount3
            }
            program=$2
            refused "Permission denied" "/etc/apparmor.d/local/fusermount3"
            refused "Permission denied" "mount failed: Permission denied. Where AppArmor"
            refused "Operation not permitted" "--cap-add SYS_ADMIN"
            """)
    }

    @Test func aLineInFstabIsMountedOnce() throws {
        try use(
            """
            printf '%s %s fuse.icecore at=2024-03-02,nofail,_netdev,x-systemd.requires=network-online.target 0 0\\n' \
                "$store" "$PWD/mnt" > fstab
            mount -a -T fstab
            [ "$(cat mnt/dir/old)" = "of the second" ]
            mount -a -T fstab
            [ "$(grep -c " $PWD/mnt " /proc/self/mounts)" = 1 ]
            umount mnt
            mount -T fstab mnt
            [ "$(cat mnt/dir/old)" = "of the second" ]
            umount mnt
            """)
    }

    @Test func anAutomountIsServed() throws {
        try use(
            """
            cat > automount.py <<'PYTHON'
            import ctypes, os, subprocess, sys, threading
            point = os.path.abspath("mnt")
            read, write = os.pipe()
            libc = ctypes.CDLL(None, use_errno=True)
            options = f"fd={write},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct"
            assert libc.mount(b"automount", point.encode(), b"autofs", 0, options.encode()) == 0, ctypes.get_errno()
            os.close(write)
            reader = subprocess.Popen(["cat", point + "/dir/new"], stdout=subprocess.PIPE, start_new_session=True)
            assert os.read(read, 4096)
            # As systemd does it, in the group of processes that need not wait.
            subprocess.run(["mount", "-t", "fuse.icecore", sys.argv[1], point], check=True, timeout=60)
            assert subprocess.run(["cat", point + "/dir/new"], capture_output=True).stdout == b"of the fourth"
            subprocess.run(["umount", point], check=True)
            subprocess.run(["umount", "-l", point], check=True)
            reader.kill()
            PYTHON
            timeout 100 python3 automount.py "$store"
            """)
    }

    @Test func theServiceManagerIsToldWhenTheMountIsThere() throws {
        try use(
            """
            systemd-analyze --version > /dev/null 2>&1 && systemd-analyze verify units/icecore@.service
            grep -q "^ExecStart=$PWD/prefix/bin/icecore mount --foreground" units/icecore@.service
            cat > manager.py <<'PYTHON'
            import os, signal, socket, subprocess, sys
            manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            manager.bind("notify")
            manager.settimeout(60)
            words = [sys.argv[1], "mount", "--foreground", "--store", sys.argv[2], "mnt"]
            mount = subprocess.Popen(words, env=dict(os.environ, NOTIFY_SOCKET=os.path.abspath("notify")))
            message = manager.recv(1000).decode()
            assert message.startswith("READY=1\\nSTATUS=mounted snapshot 2024-03-04T01-00Z"), message
            assert open("mnt/dir/new").read() == "of the fourth"
            mount.send_signal(signal.SIGTERM)
            assert mount.wait(30) == 0
            assert not os.path.ismount("mnt")
            PYTHON
            python3 manager.py "$2" "$store"
            """)
    }
}
