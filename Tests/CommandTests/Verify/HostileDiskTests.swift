import Basics
import Foundation
import Testbed
import Testing

/// Disks and limits that get in the way: a sentence each, and nothing is lost.
@Suite struct HostileDiskTests {
    /// As another user would find it who may read the store and nothing else.
    private static let unprivileged = "setpriv --bounding-set=-dac_override,-dac_read_search,-fowner"

    @Test func aReadOnlyDiskCanBeVerified() throws {
        try VerifyBench.use { store in
            let before = try StoreDigest.of(store.store)
            func run(_ command: String) throws -> Run {
                try store.bench.shell(
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
            StoreDigest.expectSame(try StoreDigest.of(store.store), before)
        }
    }

    @Test func fewOpenFilesAreEnough() throws {
        try VerifyBench.use { store in
            let bad = store.blob(try store.row("small/2/2"))
            try VerifyBench.change(bad) { $0[0] ^= 1 }
            for (command, status) in [("verify", 1), ("verify --repair", 0), ("reindex", 0), ("verify", 0)]
                as [(String, Int32)]
            {
                let run = try store.bench.shell("ulimit -n 64; exec \"$ICECORE\" \(command) --store \"$STORE\"")
                #expect(run.status == status, "\(run)")
            }
            // Fewer than any program can do with: it says so, and blames no blob.
            let run = try store.bench.shell("ulimit -n 7; exec \"$ICECORE\" verify --store \"$STORE\"")
            #expect((1..<124).contains(run.status) && !run.text.contains("blobs/"), "\(run)")
        }
    }

    @Test func aBlobThatMayNotBeReadIsNotDamaged() throws {
        try VerifyBench.use { store in
            let blob = store.blob(try store.row("small/2/2"))
            let fan = Files.directory(of: store.blob(try store.row("small/0/3")))
            chmod(blob, 0)
            chmod(fan, 0)
            defer { chmod(fan, 0o755) }
            for options in ["", "--repair"] {
                let run = try store.bench.shell(
                    "exec \(Self.unprivileged) \"$ICECORE\" verify \(options) --json --store \"$STORE\"")
                #expect(run.status == 1, "\(run)")
                let kinds = try run.records.filter { $0["kind"] as? String == "unreadable" }
                #expect(
                    Set(kinds.compactMap { $0["path"] as? String })
                        == Set([blob, fan].map { String($0.dropFirst(store.store.utf8.count + 1)) }), "\(run)")
                #expect(Files.exists(blob))
            }
        }
    }

    @Test func aLinkInPlaceOfABlobDirectoryIsNotFollowed() throws {
        try VerifyBench.use { store in
            let fan = Files.directory(of: store.blob(try store.row("small/2/2")))
            let elsewhere = "\(store.bench.directory)/elsewhere"
            try Files.rename(fan, elsewhere)
            symlink(elsewhere, fan)
            let before = try StoreDigest.of(elsewhere)
            let findings = try store.findings(status: 1)
            #expect(findings.keys.contains(fan) && findings.count == 1, "\(findings)")
            _ = try store.findings("--repair", status: 1)
            StoreDigest.expectSame(try StoreDigest.of(elsewhere), before)
            // As the sentence says: without the link, a repair makes it good.
            try Files.remove(fan)
            _ = try store.findings("--repair", status: 0)
            #expect(try store.findings(status: 0).isEmpty)
        }
    }
}
