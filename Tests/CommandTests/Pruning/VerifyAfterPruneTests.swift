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
    private func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            let (old, new, other) = (Self.old.with { $0.isLatest = false }, Self.new, Self.other)
            try scenario.add(Self.names[0], [Self.old, Self.passing, other])
            try scenario.add(Self.names[1], [new, old, other])
            try scenario.add(Self.names[2], [new, old, other])
            try scenario.succeed("sync", "--from", Self.names[0], "--to", Self.names[2])
            #expect(try scenario.blobs.count == 4)
            try scenario.server.reset()
            try body(scenario)
        }
    }

    private func path(_ row: Row, _ scenario: Scenario) -> String {
        let digest = Hex.encode(MD5.digest(row.content))
        return "\(scenario.store)/blobs/\(digest.prefix(2))/\(digest)-\(row.content.count)"
    }

    private func expectSound(_ scenario: Scenario, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let run = try scenario.run("verify", "--json")
        #expect(run.status == 0 && run.stdout.isEmpty, "\(run)", sourceLocation: sourceLocation)
    }

    private func expectPruned(_ scenario: Scenario, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let snapshots = try scenario.succeed("snapshots", "--json").records
        #expect(snapshots.map { $0["name"] as? String } == [Self.names[2]], sourceLocation: sourceLocation)
        #expect(
            try scenario.run("ls", "--at", Self.names[0]).stderr.contains("pruned"), sourceLocation: sourceLocation)
        let again = try scenario.run("sync", "--date", Self.names[0])
        #expect(again.status == 1 && again.stderr.contains("prune"), "\(again)", sourceLocation: sourceLocation)
        let early = try scenario.run("ls", "--at", "2024-03-02T13:00:00Z")
        #expect(early.status == 1 && early.stderr.contains("pruned"), "\(early)", sourceLocation: sourceLocation)
        let range = try scenario.succeed("sync", "--from", Self.names[0], "--to", Self.names[2], "--json").records
        #expect(range.count == 1 && range[0]["wanted"] as? Int == 0, "\(range)", sourceLocation: sourceLocation)
        #expect(try scenario.succeed("versions", "a/key").text.contains("pruned"), sourceLocation: sourceLocation)
        #expect(try scenario.requests().isEmpty, sourceLocation: sourceLocation)
    }

    @Test func whatWasPrunedIsNeitherMissingNorFetched() throws {
        try use { scenario in
            try scenario.succeed("prune", "--keep-last", "1")
            #expect(try scenario.blobs.count == 2)
            #expect(try Files.names(in: "\(scenario.store)/inventories") == [Self.names[2]])
            try expectSound(scenario)
            try scenario.succeed("verify", "--repair")
            #expect(try scenario.requests().isEmpty)
            try expectPruned(scenario)

            // What is really missing is still fetched.
            try Files.remove(path(Self.other, scenario))
            try scenario.succeed("verify", "--repair")
            #expect(try scenario.requests().count == 1)
            try expectSound(scenario)
        }
    }

    @Test func aDamagedContentIsRepairedThroughWhatNeedsIt() throws {
        try use { scenario in
            try scenario.succeed("prune", "--keep-last", "1")
            try scenario.add(
                "2024-03-05T01-00Z", [Self.new, Self.old.with { $0.isLatest = false }, Self.other, Self.twin])
            try scenario.succeed("sync")
            try Scenario.change(path(Self.twin, scenario)) { $0[0] ^= 1 }
            try scenario.server.reset()
            let finding = try scenario.run("verify", "--json")
            #expect(finding.status == 1)
            #expect(try finding.records.map { $0["key"] as? String } == ["twin"])
            try scenario.succeed("verify", "--repair")
            #expect(try Array(scenario.requests().keys) == [scenario.target(Self.twin)])
            try expectSound(scenario)
        }
    }

    @Test func anIndexThatIsMadeAgainBringsNothingBack() throws {
        try use { scenario in
            try scenario.succeed("prune", "--keep-last", "1")
            let listing = try scenario.succeed("ls", "-R", "--json").stdout
            let status = try scenario.succeed("status", "--json").records.first
            // Left by a prune that was killed before it came to this.
            let folder = "\(scenario.store)/inventories"
            let names = Self.names
            try FileManager.default.copyItem(atPath: "\(folder)/\(names[2])", toPath: "\(folder)/\(names[0])")
            for _ in 0..<2 {
                let run = try scenario.succeed("reindex", "--json")
                #expect(try run.records.map { $0["name"] as? String } == [names[2]])
                try expectSound(scenario)
                try expectPruned(scenario)
                #expect(try scenario.succeed("ls", "-R", "--json").stdout == listing)
                let after = try scenario.succeed("status", "--json").records.first
                for name in ["snapshots", "versions", "versionBytes", "blobs", "blobBytes", "missing"] {
                    #expect(after?[name] as? Int == status?[name] as? Int, "\(name)")
                }
            }
            // Life goes on.
            try scenario.succeed("prune", "--keep-last", "1")
            #expect(try Files.names(in: folder) == [names[2]])
            try scenario.add("2024-03-05T01-00Z", [Self.new, Self.other, Self.twin])
            #expect(try scenario.succeed("sync", "--json").record["fetched"] as? Int == 1)
            try expectSound(scenario)
        }
    }

    @Test func withoutTheOldIndexTheSnapshotsStayDropped() throws {
        try use { scenario in
            try scenario.succeed("prune", "--keep-last", "1")
            for suffix in ["", "-wal", "-shm"] { try Files.remove("\(scenario.store)/index.sqlite\(suffix)") }
            try scenario.succeed("reindex")
            #expect(try scenario.succeed("snapshots", "--json").records.count == 1)
            // Nothing says that this was dropped.
            let run = try scenario.run("verify", "--json")
            #expect(run.status == 3)
            #expect(try run.records.map { $0["key"] as? String } == ["a/key"])
            try scenario.succeed("verify", "--repair")
            #expect(try scenario.requests().count == 1)
            try expectSound(scenario)
        }
    }

    @Test func aStoppedPruneIsFinishedAfterANewIndex() throws {
        try use { scenario in
            let content = try Files.read(path(Self.passing, scenario), limit: 100)
            try scenario.succeed("prune", "--keep-last", "1")
            let count = try scenario.succeed("status", "--json").records.first?["blobs"] as? Int
            // As if it had been stopped before it removed this one.
            let name = String(path(Self.passing, scenario).split(separator: "/").last ?? "")
            try Files.replace(path(Self.passing, scenario), with: content, mode: 0o444)
            let python = Process()
            python.executableURL = URL(filePath: "/usr/bin/python3")
            let change = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); "
            python.arguments = [
                "-c", change + "d.execute('INSERT INTO doomed VALUES (?, ?)', (sys.argv[2], 10)); d.commit()",
                "\(scenario.store)/index.sqlite", name,
            ]
            try python.run()
            python.waitUntilExit()
            try expectSound(scenario)
            try scenario.succeed("reindex")
            try expectSound(scenario)
            // Damaged: nobody needs it, and it was counted out already.
            try Scenario.change(path(Self.passing, scenario)) { $0[0] ^= 1 }
            let finding = try scenario.run("verify", "--json")
            #expect(try finding.records.map { $0["key"] is NSNull } == [true])
            let copy = try Files.read(path(Self.passing, scenario), limit: 100)
            try scenario.succeed("verify", "--repair")
            #expect(try scenario.succeed("status", "--json").records.first?["blobs"] as? Int == count)
            try Files.replace(path(Self.passing, scenario), with: copy, mode: 0o444)
            try scenario.succeed("prune", "--keep-last", "1")
            #expect(!Files.exists(path(Self.passing, scenario)))
            #expect(try scenario.succeed("status", "--json").records.first?["blobs"] as? Int == count)
            try expectSound(scenario)
        }
    }
}
