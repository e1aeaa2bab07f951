import Basics
import Foundation
import Glibc
import Testbed
import Testing

/// Verifications, repairs and new indexes of stores that were pruned.
@Suite struct VerifyAfterPruneTests {
    typealias Row = InventoryFolder.Row

    private static let names = (2...4).map { "2024-03-0\($0)T01-00Z" }
    /// Listed for good, and current only before the second inventory.
    private static let old = Row("a/key", bytes("old content"), at: "2024-03-01T00:00:00.000Z")
    private static let new = Row("a/key", bytes("new"), at: "2024-03-02T12:00:00.000Z")
    /// In the first inventory alone.
    private static let passing = Row("passing", bytes("passing by"))
    private static let other = Row("other", bytes("other"))
    /// The same content as one that is dropped.
    private static let twin = Row("twin", bytes("old content"), at: "2024-03-03T12:00:00.000Z")

    /// Three inventories, the newest of which is all that is kept.
    private func use(_ body: (SyncBench) throws -> Void) throws {
        try SyncBench.use { sync in
            let (old, new, other) = (Self.old.with { $0.isLatest = false }, Self.new, Self.other)
            try sync.add(Self.names[0], [Self.old, Self.passing, other])
            try sync.add(Self.names[1], [new, old, other])
            try sync.add(Self.names[2], [new, old, other])
            try sync.bench.succeed("sync", "--from", Self.names[0], "--to", Self.names[2])
            #expect(try sync.blobs.count == 4)
            try sync.server.reset()
            try body(sync)
        }
    }

    private func path(_ row: Row, _ sync: SyncBench) -> String {
        let digest = Hex.encode(MD5.digest(row.content))
        return "\(sync.bench.store)/blobs/\(digest.prefix(2))/\(digest)-\(row.content.count)"
    }

    private func expectSound(_ sync: SyncBench, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let run = try sync.bench.run("verify", "--json")
        #expect(run.status == 0 && run.stdout.isEmpty, "\(run)", sourceLocation: sourceLocation)
    }

    private func expectPruned(_ sync: SyncBench, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let snapshots = try sync.bench.succeed("snapshots", "--json").records
        #expect(snapshots.map { $0["name"] as? String } == [Self.names[2]], sourceLocation: sourceLocation)
        #expect(
            try sync.bench.run("ls", "--at", Self.names[0]).stderr.contains("pruned"), sourceLocation: sourceLocation)
        let again = try sync.bench.run("sync", "--date", Self.names[0])
        #expect(again.status == 1 && again.stderr.contains("prune"), "\(again)", sourceLocation: sourceLocation)
        let early = try sync.bench.run("ls", "--at", "2024-03-02T13:00:00Z")
        #expect(early.status == 1 && early.stderr.contains("pruned"), "\(early)", sourceLocation: sourceLocation)
        let range = try sync.bench.succeed("sync", "--from", Self.names[0], "--to", Self.names[2], "--json").records
        #expect(range.count == 1 && range[0]["wanted"] as? Int == 0, "\(range)", sourceLocation: sourceLocation)
        #expect(try sync.bench.succeed("versions", "a/key").text.contains("pruned"), sourceLocation: sourceLocation)
        #expect(try sync.requests().isEmpty, sourceLocation: sourceLocation)
    }

    @Test func whatWasPrunedIsNeitherMissingNorFetched() throws {
        try use { sync in
            try sync.bench.succeed("prune", "--keep-last", "1")
            #expect(try sync.blobs.count == 2)
            #expect(try Files.names(in: "\(sync.bench.store)/inventories") == [Self.names[2]])
            try expectSound(sync)
            try sync.bench.succeed("verify", "--repair")
            #expect(try sync.requests().isEmpty)
            try expectPruned(sync)

            // What is really missing is still fetched.
            try Files.remove(path(Self.other, sync))
            try sync.bench.succeed("verify", "--repair")
            #expect(try sync.requests().count == 1)
            try expectSound(sync)
        }
    }

    @Test func aDamagedContentIsRepairedThroughWhatNeedsIt() throws {
        try use { sync in
            try sync.bench.succeed("prune", "--keep-last", "1")
            try sync.add("2024-03-05T01-00Z", [Self.new, Self.old.with { $0.isLatest = false }, Self.other, Self.twin])
            try sync.bench.succeed("sync")
            try VerifyBench.change(path(Self.twin, sync)) { $0[0] ^= 1 }
            try sync.server.reset()
            let finding = try sync.bench.run("verify", "--json")
            #expect(finding.status == 1)
            #expect(try finding.records.map { $0["key"] as? String } == ["twin"])
            try sync.bench.succeed("verify", "--repair")
            #expect(try Array(sync.requests().keys) == [sync.target(Self.twin)])
            try expectSound(sync)
        }
    }

    @Test func anIndexThatIsMadeAgainBringsNothingBack() throws {
        try use { sync in
            try sync.bench.succeed("prune", "--keep-last", "1")
            let listing = try sync.bench.succeed("ls", "-R", "--json").stdout
            let status = try sync.bench.succeed("status", "--json").records.first
            // Left by a prune that was killed before it came to this.
            let folder = "\(sync.bench.store)/inventories"
            let names = Self.names
            try FileManager.default.copyItem(atPath: "\(folder)/\(names[2])", toPath: "\(folder)/\(names[0])")
            for _ in 0..<2 {
                let run = try sync.bench.succeed("reindex", "--json")
                #expect(try run.records.map { $0["name"] as? String } == [names[2]])
                try expectSound(sync)
                try expectPruned(sync)
                #expect(try sync.bench.succeed("ls", "-R", "--json").stdout == listing)
                let after = try sync.bench.succeed("status", "--json").records.first
                for name in ["snapshots", "versions", "versionBytes", "blobs", "blobBytes", "missing"] {
                    #expect(after?[name] as? Int == status?[name] as? Int, "\(name)")
                }
            }
            // Life goes on.
            try sync.bench.succeed("prune", "--keep-last", "1")
            #expect(try Files.names(in: folder) == [names[2]])
            try sync.add("2024-03-05T01-00Z", [Self.new, Self.other, Self.twin])
            #expect(try sync.bench.succeed("sync", "--json").record["fetched"] as? Int == 1)
            try expectSound(sync)
        }
    }

    @Test func withoutTheOldIndexTheSnapshotsStayDropped() throws {
        try use { sync in
            try sync.bench.succeed("prune", "--keep-last", "1")
            for suffix in ["", "-wal", "-shm"] { try Files.remove("\(sync.bench.store)/index.sqlite\(suffix)") }
            try sync.bench.succeed("reindex")
            #expect(try sync.bench.succeed("snapshots", "--json").records.count == 1)
            // Nothing says that this was dropped.
            let run = try sync.bench.run("verify", "--json")
            #expect(run.status == 3)
            #expect(try run.records.map { $0["key"] as? String } == ["a/key"])
            try sync.bench.succeed("verify", "--repair")
            #expect(try sync.requests().count == 1)
            try expectSound(sync)
        }
    }

    @Test func aStoppedPruneIsFinishedAfterANewIndex() throws {
        try use { sync in
            let content = try Files.read(path(Self.passing, sync), limit: 100)
            try sync.bench.succeed("prune", "--keep-last", "1")
            let count = try sync.bench.succeed("status", "--json").records.first?["blobs"] as? Int
            // As if it had been stopped before it removed this one.
            let name = String(path(Self.passing, sync).split(separator: "/").last ?? "")
            try Files.replace(path(Self.passing, sync), with: content, mode: 0o444)
            let python = Process()
            python.executableURL = URL(filePath: "/usr/bin/python3")
            let change = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); "
            python.arguments = [
                "-c", change + "d.execute('INSERT INTO doomed VALUES (?, ?)', (sys.argv[2], 10)); d.commit()",
                "\(sync.bench.store)/index.sqlite", name,
            ]
            try python.run()
            python.waitUntilExit()
            try expectSound(sync)
            try sync.bench.succeed("reindex")
            try expectSound(sync)
            // Damaged: nobody needs it, and it was counted out already.
            try VerifyBench.change(path(Self.passing, sync)) { $0[0] ^= 1 }
            let finding = try sync.bench.run("verify", "--json")
            #expect(try finding.records.map { $0["key"] is NSNull } == [true])
            let copy = try Files.read(path(Self.passing, sync), limit: 100)
            try sync.bench.succeed("verify", "--repair")
            #expect(try sync.bench.succeed("status", "--json").records.first?["blobs"] as? Int == count)
            try Files.replace(path(Self.passing, sync), with: copy, mode: 0o444)
            try sync.bench.succeed("prune", "--keep-last", "1")
            #expect(!Files.exists(path(Self.passing, sync)))
            #expect(try sync.bench.succeed("status", "--json").records.first?["blobs"] as? Int == count)
            try expectSound(sync)
        }
    }
}
