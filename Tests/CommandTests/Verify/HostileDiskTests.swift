import Basics
import Foundation
import Testbed
import Testing

/// Disks and limits that get in the way: a sentence each, and nothing is lost.
@Suite struct HostileDiskTests {
    /// As another user would find it who may read the store and nothing else.
    private static let unprivileged = "setpriv --bounding-set=-dac_override,-dac_read_search,-fowner"

    @Test func aReadOnlyDiskCanBeVerified() throws {
        try Scenario.withContents { scenario in
            let before = try StoreDigest.of(scenario.store)
            func run(_ command: String) throws -> Run {
                try scenario.shell(
                    """
                    exec unshare -m sh -c 'mount --bind "$STORE" "$STORE" && mount -o remount,ro,bind "$STORE" && \
                    exec "$ICECORE" \(command) --store "$STORE"'
                    """)
            }
            let sound = try run("verify")
            #expect(sound.status == 0 && sound.stderr.contains("Read-only"), "\(sound)")
            for command in ["verify --repair", "reindex", "sync"] {
                let refused = try run(command)
                #expect(refused.status == 1 && refused.complaints.count == 1, "\(refused)")
                #expect(refused.stderr.contains("Read-only"), "\(refused)")
            }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
        }
    }

    @Test func fewOpenFilesAreEnough() throws {
        try Scenario.withContents { scenario in
            let bad = scenario.blob(try scenario.row("small/2/2"))
            try Scenario.change(bad) { $0[0] ^= 1 }
            for (command, status) in [("verify", 1), ("verify --repair", 0), ("reindex", 0), ("verify", 0)]
                as [(String, Int32)]
            {
                let run = try scenario.shell("ulimit -n 64; exec \"$ICECORE\" \(command) --store \"$STORE\"")
                #expect(run.status == status, "\(run)")
            }
            // Fewer than any program can do with: it says so, and blames no blob.
            let run = try scenario.shell("ulimit -n 7; exec \"$ICECORE\" verify --store \"$STORE\"")
            #expect((1..<124).contains(run.status) && !run.text.contains("blobs/"), "\(run)")
        }
    }

    @Test func aBlobThatMayNotBeReadIsNotDamaged() throws {
        try Scenario.withContents { scenario in
            let blob = scenario.blob(try scenario.row("small/2/2"))
            let fan = Files.directory(of: scenario.blob(try scenario.row("small/0/3")))
            chmod(blob, 0)
            chmod(fan, 0)
            defer { chmod(fan, 0o755) }
            for options in ["", "--repair"] {
                let run = try scenario.shell(
                    "exec \(Self.unprivileged) \"$ICECORE\" verify \(options) --json --store \"$STORE\"")
                #expect(run.status == 1, "\(run)")
                let kinds = try run.records.filter { $0["kind"] as? String == "unreadable" }
                #expect(
                    Set(kinds.compactMap { $0["path"] as? String })
                        == Set([blob, fan].map { String($0.dropFirst(scenario.store.utf8.count + 1)) }), "\(run)")
                #expect(Files.exists(blob))
            }
        }
    }

    @Test func aLinkInPlaceOfABlobDirectoryIsNotFollowed() throws {
        try Scenario.withContents { scenario in
            let fan = Files.directory(of: scenario.blob(try scenario.row("small/2/2")))
            let elsewhere = "\(scenario.directory)/elsewhere"
            try Files.rename(fan, elsewhere)
            symlink(elsewhere, fan)
            let before = try StoreDigest.of(elsewhere)
            let findings = try scenario.findings(status: 1)
            #expect(findings.keys.contains(fan) && findings.count == 1, "\(findings)")
            _ = try scenario.findings("--repair", status: 1)
            StoreDigest.expectSame(try StoreDigest.of(elsewhere), before)
            // As the sentence says: without the link, a repair makes it good.
            try Files.remove(fan)
            _ = try scenario.findings("--repair", status: 0)
            #expect(try scenario.findings(status: 0).isEmpty)
        }
    }
}

/// What another user, or a copy of a store from a stranger, can have put into it.
@Suite struct PlantedFileTests {
    typealias Row = InventoryFolder.Row

    private static let large = Row("large", RealBucket.content(seed: 3, count: 3 << 20))

    /// In the place of what has arrived in part, and of its log.
    @Test(arguments: ["directory", "link", "fifo"], ["", ".log"])
    func whatIsInTheWayOfAPartialContentGoes(kind: String, suffix: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [Self.large])
            let name = "\(Hex.encode(MD5.digest(Self.large.content)))-\(Self.large.content.count)"
            let path = "\(scenario.store)/tmp/partial-\(name)\(suffix)"
            let elsewhere = "\(scenario.directory)/elsewhere"
            try Files.replace(elsewhere, with: bytes("somebody's"))
            switch kind {
            case "directory":
                try Files.createDirectories("\(path)/with/more")
                try Files.replace("\(path)/with/a file", with: [1])
            case "link": symlink(elsewhere, path)
            default: mkfifo(path, 0o600)
            }
            let run = try scenario.run("sync", "--chunk-threshold", "1M", "--chunk-size", "1M")
            #expect(run.status == 0, "\(run)")
            #expect(try scenario.succeed("cat", "large").stdout == Self.large.content)
            #expect(try Files.read(elsewhere, limit: 100) == bytes("somebody's"))
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
        }
    }

    /// In the place of a blob: with `allow_other`, or as root, a mount must not show what it leads to.
    @Test func aLinkInPlaceOfABlobIsNotFollowed() throws {
        try Scenario.withContents { scenario in
            let row = try scenario.row("small/2/2")
            let elsewhere = "\(scenario.directory)/elsewhere"
            let hidden = [UInt8](repeating: 0x68, count: row.content.count)
            try Files.replace(elsewhere, with: hidden)
            try Files.remove(scenario.blob(row))
            symlink(elsewhere, scenario.blob(row))
            let mount = try scenario.mount("--offline")
            #expect(throws: IcecoreError.self) { try Files.read("\(mount)/\(row.key)", limit: 1 << 20) }
            #expect(try scenario.run("cat", row.key).status == 1)
            let export = "\(scenario.directory)/export"
            #expect(try scenario.run("export", export).status != 0)
            #expect(!Files.exists("\(export)/\(row.key)"))
            scenario.unmount(mount)
            #expect(try scenario.findings(status: 1).count == 1)
            _ = try scenario.findings("--repair", status: 0)
            #expect(try scenario.succeed("cat", row.key).stdout == row.content)
            #expect(try Files.read(elsewhere, limit: 1 << 20) == hidden)
            try Files.removeAll("\(scenario.store)/quarantine")
        }
    }

    /// Whatever the store writes anew in its place, or adds to.
    @Test(arguments: ["lock", "verify.state", "quarantine/log"])
    func aLinkInPlaceOfAFileThatIsWrittenLeadsNowhere(name: String) throws {
        try Scenario.withContents { scenario in
            let elsewhere = "\(scenario.directory)/elsewhere"
            try Files.replace(elsewhere, with: bytes("somebody's"))
            let path = "\(scenario.store)/\(name)"
            try Files.remove(path)
            symlink(elsewhere, path)
            try Scenario.change(scenario.blob(try scenario.row("small/2/2"))) { $0[0] ^= 1 }
            for words in [["verify"], ["sync"], ["verify", "--repair"]] {
                _ = try scenario.run(words + ["--store", scenario.store])
                #expect(try Files.read(elsewhere, limit: 100) == bytes("somebody's"), "\(words)")
            }
            try Files.remove(path)
        }
    }

    /// But for list files that are shared with the mirror that they came from.
    @Test func theUmaskCountsForEveryFile() throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [Self.large, Row("small", bytes("small"))])
            let run = try scenario.shell(
                """
                umask 077 && rm -r "$STORE" && {
                    "$ICECORE" init "$STORE" --bucket s3://bucket --inventory \(scenario.folder.url) &&
                        "$ICECORE" sync --store "$STORE" --chunk-threshold 1M --chunk-size 1M &&
                        "$ICECORE" verify --store "$STORE" && "$ICECORE" reindex --store "$STORE"
                } >/dev/null && find "$STORE" ! -type l -links -2 -perm /077; \
                find "$STORE" -type d -perm /077
                """)
            #expect(run.status == 0 && run.stdout.isEmpty, "\(run)")
        }
    }
}
