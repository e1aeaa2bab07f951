import Basics
import Foundation
import Testbed
import Testing

/// What is in the way of one command is in the way of all: each of them on a read-only disk, with few files, on blobs that
/// may not be read, with links where directories of blobs should be.
@Suite struct EveryCommandTests {
    /// As another user would find it who may read the store and nothing else.
    private static let unprivileged = "setpriv --bounding-set=-dac_override,-dac_read_search,-fowner"

    private static let readers = [
        "ls -R", "cat shared/a", "snapshots", "versions parted", "status", "diff \(Scenario.inventoryNames[0]) latest",
    ]

    @Test func whatOnlyReadsNeedsNoWritableDisk() throws {
        try Scenario.withContents { scenario in
            let before = try StoreDigest.of(scenario.store)
            let target = "\(scenario.directory)/target"
            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            func run(_ script: String) throws -> Run {
                try scenario.shell(
                    """
                    exec unshare -m sh -c 'mount --bind "$STORE" "$STORE" && mount -o remount,ro,bind "$STORE" && \
                    \(script)'
                    """)
            }
            for command in Self.readers {
                let words = command.split(separator: " ").map(String.init)
                let expected = try scenario.run([words[0], "--store", scenario.store] + words.dropFirst())
                let seen = try run(
                    "exec \"$ICECORE\" \(words[0]) --store \"$STORE\" \(words.dropFirst().joined(separator: " "))")
                #expect(seen.status == 0 && seen.stdout == expected.stdout, "\(seen)")
            }
            let export = try run("exec \"$ICECORE\" export \(target) --store \"$STORE\"")
            #expect(export.status == 0, "\(export)")
            #expect(try Files.read("\(target)/shared/a", limit: 100) == bytes("the same"))
            let mount = try run(
                """
                "$ICECORE" mount \(point) --store "$STORE" && cat \(point)/shared/a && cat \(point)/parted | md5sum && \
                fusermount3 -u \(point)
                """)
            #expect(mount.status == 0 && mount.text.hasPrefix("the same"), "\(mount)")
            for command in ["sync", "prune --keep-last 1", "verify --repair", "reindex", "adopt inventories"] {
                let refused = try run("exec \"$ICECORE\" \(command) --store \"$STORE\"")
                #expect(refused.status == 1 && refused.complaints.count == 1, "\(refused)")
                #expect(refused.stderr.contains("Read-only file system"), "\(refused)")
            }
            let elsewhere = try run("exec \"$ICECORE\" init \"$STORE/inside\" --bucket s3://bucket")
            #expect(elsewhere.status == 1 && elsewhere.complaints.count == 1, "\(elsewhere)")
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
        }
    }

    @Test func sixtyFourOpenFilesAreEnoughForEverything() throws {
        try Scenario.withContents { scenario in
            let target = "\(scenario.directory)/target"
            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            defer { scenario.unmount(point) }
            let readers =
                Self.readers + [
                    "verify", "export \(target)", "mount \(point) --history", "sync", "reindex", "verify --repair",
                    "adopt \(target)",
                ]
            for command in readers {
                let run = try scenario.shell(
                    "ulimit -n 64; set -- \(command); c=$1; shift; exec \"$ICECORE\" $c --store \"$STORE\" \"$@\"")
                #expect(run.status == 0, "\(run)")
            }
            #expect(try exported(target).count == scenario.rows.filter { $0.isLatest && !$0.isMarker }.count)
            // More readers than files: each waits or gets what it asked for, and nobody gets anything else.
            let paths = try StoreDigest.files("\(point)/latest").map { "\(point)/latest/\($0)" }
            let mounted = try SeenTree("\(point)/latest")
            #expect(mounted.files.count == paths.count)
            let many = try scenario.shell(
                """
                for i in 1 2 3 4; do find \(point) -type f | xargs -n 1 -P 16 md5sum > /dev/null 2>> errors & done; wait
                exec 3< \(paths[0]); cat <&3 > /dev/null; cat errors >&2
                """)
            #expect(many.status == 0, "\(many)")
            for line in many.complaints { #expect(line.contains("Too many open files"), "\(line)") }
            #expect(try SeenTree("\(point)/latest").files == mounted.files)
            // A prune last.
            let prune = try scenario.shell(
                "ulimit -n 64; exec \"$ICECORE\" prune --keep-last 1 --store \"$STORE\"")
            #expect(prune.status == 0, "\(prune)")
            #expect(try scenario.findings(status: 0).isEmpty)
        }
    }

    @Test func tooFewFilesAreSaidToBeTooFew() throws {
        try Scenario.withContents { scenario in
            let before = try StoreDigest.of(scenario.store)
            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            defer { scenario.unmount(point) }
            for limit in [5, 8, 24] {
                let run = try scenario.shell("ulimit -n \(limit); exec \"$ICECORE\" verify --store \"$STORE\"")
                #expect(run.status == 1 && run.stderr.contains("only \(limit) files may be open"), "\(run)")
            }
            for command in [
                "ls", "cat parted", "sync", "prune --keep-last 9", "export \(scenario.directory)/target", "reindex",
                "verify --repair", "mount \(point)",
            ] {
                for limit in [32, 40, 48] {
                    let run = try scenario.shell(
                        """
                        ulimit -n \(limit); set -- \(command); c=$1; shift; exec "$ICECORE" $c --store "$STORE" "$@"
                        """)
                    // Enough, or a failure; never a crash.
                    #expect(run.status < 124, "\(limit): \(run)")
                    if run.status == 0 || run.status == 127 { continue }
                    #expect(!run.stderr.isEmpty, "\(limit): \(run)")
                }
                scenario.unmount(point)
            }
            let names = try Files.names(in: "\(scenario.store)/quarantine").filter { !$0.hasPrefix("index-") }
            #expect(names.isEmpty, "no blob is blamed")
            try scenario.succeed("sync")
            #expect(try scenario.findings(status: 0).isEmpty)
            let after = try StoreDigest.of(scenario.store)
            for (path, digest) in before where path.hasPrefix("blobs/") { #expect(after[path] == digest, "\(path)") }
        }
    }

    @Test func aBlobThatMayNotBeReadIsNamed() throws {
        try Scenario.withContents { scenario in
            let (row, other) = (try scenario.row("small/2/2"), try scenario.row("small/0/3"))
            let blob = scenario.blob(row)
            let name = String(blob.split(separator: "/").last ?? "")
            chmod(blob, 0)
            let target = "\(scenario.directory)/target"
            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            defer { scenario.unmount(point) }
            func run(_ command: String) throws -> Run {
                try scenario.shell(
                    """
                    set -- \(command); c=$1; shift
                    exec \(Self.unprivileged) "$ICECORE" $c --store "$STORE" "$@"
                    """)
            }
            for (command, status) in [("cat \(row.key)", 1), ("export \(target) --link copy", 3)] {
                let refused = try run(command)
                #expect(refused.status == status && refused.complaints.count == (status + 1) / 2, "\(refused)")
                #expect(refused.stderr.contains(name) && refused.stderr.contains("Permission denied"), "\(refused)")
            }
            #expect(!Files.exists("\(target)/\(row.key)"))
            #expect(try run("cat \(other.key)").stdout == other.content)
            #expect(try run("mount \(point) --no-passthrough").status == 0)
            #expect(throws: IcecoreError.self) { try Files.read("\(point)/\(row.key)", limit: 100) }
            #expect(try Files.read("\(point)/\(other.key)", limit: 100) == other.content)
            scenario.unmount(point)
            let log = String(decoding: try Files.read("\(scenario.store)/mount.log", limit: 1 << 20), as: UTF8.self)
            #expect(log.contains(row.key) && log.contains("Permission denied"), "\(log)")
            // A sync has no reason to read it, and a prune none to spare it.
            #expect(try run("sync").status == 0)
            #expect(try run("prune --keep-last 2").status == 0)
            chmod(blob, 0o444)
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(try scenario.succeed("export", target).status == 0)
        }
    }

    @Test func aLinkInPlaceOfADirectoryIsWrittenThroughByNobody() throws {
        try Scenario.withContents { scenario in
            let row = try scenario.row("small/2/2")
            let blob = scenario.blob(row)
            let fan = Files.directory(of: blob)
            let views = try scenario.views()
            let third = "2024-03-04T01-00Z"
            try scenario.add(third, scenario.rows + [InventoryFolder.Row("new", bytes("something new"))])
            for place in [fan, "\(scenario.store)/blobs", "\(scenario.store)/tmp", "\(scenario.store)/inventories"] {
                let elsewhere = "\(scenario.directory)/elsewhere"
                try Files.rename(place, elsewhere)
                symlink(elsewhere, place)
                let before = try StoreDigest.of(elsewhere)
                for words in [
                    ["sync"], ["prune", "--keep-last", "1"], ["verify", "--repair"], ["reindex"],
                ] {
                    let run = try scenario.run([words[0], "--store", scenario.store] + words.dropFirst())
                    #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                    #expect(run.stderr.contains("'\(place)' is a symbolic link"), "\(run)")
                }
                let point = "\(scenario.directory)/mnt"
                try Files.createDirectory(point)
                #expect(try scenario.run("mount", point).status == 0)
                #expect(try Files.read("\(point)/\(row.key)", limit: 100) == row.content)
                scenario.unmount(point)
                let target = "\(scenario.directory)/target"
                try scenario.succeed("export", target)
                #expect(try Files.read("\(target)/\(row.key)", limit: 100) == row.content)
                try FileManager.default.removeItem(atPath: target)
                #expect(try scenario.succeed("cat", row.key).stdout == row.content)
                #expect(try scenario.run("verify").status == 1)
                StoreDigest.expectSame(try StoreDigest.of(elsewhere), before)
                try Files.remove(place)
                try Files.rename(elsewhere, place)
                #expect(try scenario.views() == views)
            }
            try scenario.succeed("sync")
            #expect(try scenario.findings(status: 0).isEmpty)
        }
    }
}
