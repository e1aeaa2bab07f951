import Basics
import Foundation
import Glibc
import Testbed
import Testing

/// Syncs after a prune, with a server that counts what is asked of it.
@Suite struct SyncAfterPruneTests {
    typealias Row = InventoryFolder.Row

    private static let names = (2...6).map { "2024-03-0\($0)T01-00Z" }
    private static let old = Row("a/key", bytes("old content"), at: "2024-03-01T00:00:00.000Z").with {
        $0.isLatest = false
    }
    private static let new = Row("a/key", bytes("new"), at: "2024-03-01T12:00:00.000Z")
    private static let other = Row("other", bytes("other"))

    private func totals(_ scenario: Scenario) throws -> [Int?] {
        let status = try #require(try scenario.succeed("status", "--json").records.first)
        return ["snapshots", "versions", "blobs", "blobBytes", "missing"].map { status[$0] as? Int }
    }

    @Test func whatIsListedAgainIsFetchedOnlyWhenItIsShownAgain() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], [Self.new, Self.old, Self.other])
            try scenario.succeed("sync")
            #expect(try totals(scenario) == [1, 3, 3, 19, 0])
            let pruned = try #require(try scenario.succeed("prune", "--keep-last", "1", "--json").records.last)
            #expect(pruned["bytes"] as? Int == 11 && pruned["droppedVersions"] as? Int == 0)
            #expect(try totals(scenario) == [1, 3, 2, 8, 0])
            let lines = try scenario.succeed("versions", "a/key").text
            #expect(lines.contains("pruned"))
            #expect(try scenario.run("cat", "a/key", "--version-id", Self.old.versionId).stderr.contains("pruned"))

            // Listed as before: nothing is new, nothing is asked for.
            try scenario.server.reset()
            let mount = try scenario.mount("--history")
            let file = "\(mount)/versions/a/key/2024-03-01T00:00:00Z_\(Self.old.versionId)"
            #expect(Files.size(file) == 11)
            #expect(throws: (any Error).self, "reading does not bring it back") { try Files.read(file, limit: 100) }
            try scenario.add(Self.names[1], [Self.new, Self.old, Self.other])
            let second = try scenario.succeed("sync", "--json").record
            #expect(second["newVersions"] as? Int == 0 && second["wanted"] as? Int == 0)
            #expect(try scenario.succeed("sync", "--json").record["wanted"] as? Int == 0)
            #expect(try scenario.requests().isEmpty)

            // The newer one is deleted for good, so that the older one is current again.
            var revived = Self.old
            revived.isLatest = true
            try scenario.add(Self.names[2], [revived, Self.other])
            let third = try scenario.succeed("sync", "--json").record
            #expect(third["newVersions"] as? Int == 0 && third["fetched"] as? Int == 1)
            #expect(try scenario.succeed("cat", "a/key").text == "old content")
            let isBack = Clock.wait(seconds: 60) { (try? Files.read(file, limit: 100)) == Array("old content".utf8) }
            #expect(isBack)
            #expect(try scenario.succeed("cat", "a/key", "--at", Self.names[1]).text == "new")
            #expect(try totals(scenario) == [3, 3, 3, 19, 0])

            // Gone from the bucket and from every kept date: forgotten.
            try scenario.add(Self.names[3], [Self.other])
            try scenario.succeed("sync")
            let last = try scenario.succeed("prune", "--keep-last", "1", "--json").records.last
            #expect(last?["droppedVersions"] as? Int == 2 && last?["bytes"] as? Int == 14)
            #expect(try totals(scenario) == [1, 1, 1, 5, 0])
            #expect(try scenario.run("versions", "a/key").status == 1)

            // A key that comes back into a directory that was forgotten.
            try scenario.add(Self.names[4], [Row("a/key", bytes("again"), at: "2024-03-05T12:00:00.000Z"), Self.other])
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "a/key").text == "again")
            #expect(try totals(scenario) == [2, 2, 2, 10, 0])
        }
    }

    @Test func aRangeDoesNotBringBackWhatWasPruned() throws {
        try Scenario.withBucket { scenario in
            for name in Self.names.prefix(3) { try scenario.add(name, [Self.new, Self.other]) }
            try scenario.succeed("sync", "--from", Self.names[0], "--to", Self.names[2])
            try scenario.succeed("prune", "--keep-last", "1")
            try scenario.succeed("sync", "--from", Self.names[0], "--to", Self.names[2])
            #expect(try totals(scenario).first == 1)
            let single = try scenario.run("sync", "--date", Self.names[0])
            #expect(single.status == 1 && single.stderr.contains("prune"))
        }
    }

    @Test func aPruneNeverRunsBesideASync() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], [Self.new])
            try scenario.succeed("sync")
            let held = Glibc.open("\(scenario.store)/lock", O_RDWR)
            defer { close(held) }
            try #require(flock(held, LOCK_EX | LOCK_NB) == 0)
            let run = try scenario.run("prune", "--keep-last", "1")
            #expect(run.status == 1 && run.stderr.contains("in use"))
        }
    }
}
