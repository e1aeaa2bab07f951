import Basics
import Foundation
import Testbed
import Testing

/// What becomes of states over several syncs.
@Suite struct StateHistoryTests {
    typealias Row = InventoryFolder.Row

    private static let names = (2...5).map { "2024-03-0\($0)T01-00Z" }
    private static let denied = FaultServer.Canned(
        status: 403, body: "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    private static let odd = FaultServer.Canned(
        status: 400, body: "<Error><Code>Weird</Code><Message>odd</Message></Error>")
    private let good = Row("good", bytes("good content"))

    private func deny(_ scenario: Scenario, _ rows: [Row]) throws {
        for row in rows {
            try scenario.server.can(scenario.target(row), Self.denied)
            try scenario.server.can("/bucket/\(row.key)", Self.denied)
        }
    }

    private func states(_ scenario: Scenario, _ key: String) throws -> [String] {
        try scenario.succeed("versions", "--json", key).records.compactMap { $0["state"] as? String }
    }

    private func rows(_ count: Int) -> [Row] {
        (0..<count).map { Row(String(format: "key/%04d", $0), bytes("content \($0)")) }
    }

    /// Twenty of three hundred, every night.
    @Test func whatIsRefusedEveryNightStopsNoSync() throws {
        try Scenario.withBucket { scenario in
            let rows = rows(300)
            try scenario.add(Self.names[0], rows)
            // The first by their keys: what comes first says nothing of the rest.
            try deny(scenario, Array(rows.prefix(20)))
            for _ in 0..<2 {
                let run = try scenario.run("sync")
                #expect(run.status == 3 && run.stderr.contains("20 objects could not be fetched"), "\(run)")
                #expect(try scenario.failures().count == 20, "and their records stay")
            }
            try scenario.add(Self.names[1], rows + [Row("new", bytes("new"))])
            #expect(try scenario.run("sync").status == 3)
            #expect(try scenario.succeed("snapshots", "--json").records.count == 2)
            #expect(try scenario.run("verify", "--repair").status == 3)
        }
    }

    @Test func manyDenialsAtTheBeginningAreNotMost() throws {
        try Scenario.withBucket { scenario in
            let rows = rows(600)
            try scenario.add(Self.names[0], rows)
            try deny(scenario, Array(rows.prefix(120)))
            #expect(try scenario.run("sync").status == 3)
            #expect(try scenario.failures().count == 120)
        }
    }

    @Test func contentsThatOlderVersionsHaveTooCountAsArrived() throws {
        try Scenario.withBucket { scenario in
            let new = rows(40)
            let old = new.map { row in
                Row(row.key, row.content, versionId: "old-\(row.key)", at: "2024-02-01T00:00:00.000Z").with {
                    $0.isLatest = false
                }
            }
            let lost = (0..<11).map { Row("lost/\($0)", bytes("lost \($0)")) }
            try scenario.folder.write(Self.names[0], old + new + lost)
            try scenario.server.add(Scenario.bucket, old + new)
            let run = try scenario.succeed("sync")
            #expect(run.text.contains("11 objects are gone for good"), "\(run)")
        }
    }

    @Test func whatWasRefusedBeforeItWasArchivedIsArchived() throws {
        try Scenario.withBucket { scenario in
            let row = Row("key", bytes("content"))
            try scenario.add(Self.names[0], [good, row])
            try deny(scenario, [row])
            #expect(try scenario.run("sync").status == 3)
            try scenario.folder.write(Self.names[1], [good, row.with { $0.storageClass = "GLACIER" }])
            try scenario.succeed("sync")
            #expect(try states(scenario, "key") == ["archived"])
            #expect(try scenario.failures().isEmpty)
            try scenario.server.reset()
            try scenario.succeed("sync", "--archived", "fetch")
            #expect(try states(scenario, "key") == ["present"])
        }
    }

    @Test func whatWasRefusedBeforeAPruneIsAskedForWhenItIsShownAgain() throws {
        try Scenario.withBucket { scenario in
            let old = Row("key", bytes("old"), at: "2024-02-01T00:00:00.000Z").with { $0.isLatest = false }
            let new = Row("key", bytes("new"))
            try scenario.add(Self.names[0], [good, old, new])
            try scenario.server.can(scenario.target(old), Self.denied)
            #expect(try scenario.run("sync").status == 3)
            try scenario.succeed("prune", "--keep-last", "1")
            try scenario.server.reset()
            try scenario.folder.write(Self.names[1], [good, old.with { $0.isLatest = true }])
            try scenario.succeed("sync")
            #expect(try states(scenario, "key").contains("present") && scenario.succeed("cat", "key").text == "old")
        }
    }

    @Test(arguments: [false, true])
    func aRefusedVersionThatIsListedAgainIsAskedForAgain(rebuilt: Bool) throws {
        try Scenario.withBucket { scenario in
            let row = Row("key", bytes("content"))
            try scenario.add(Self.names[0], [good, row])
            try scenario.folder.write(Self.names[1], [good])
            try scenario.folder.write(Self.names[2], [good, row])
            try deny(scenario, [row])
            let run = try scenario.run("sync", "--from", Self.names[0], "--to", Self.names[2])
            #expect(run.status == 3, "\(run)")
            #expect(try states(scenario, "key") == ["refused"])
            try scenario.server.reset()
            if rebuilt { try scenario.succeed("reindex") }
            try scenario.succeed("sync")
            #expect(try states(scenario, "key") == ["present"])
        }
    }

    /// It failed, expired, and without permission to list the bucket S3 then refuses it.
    @Test func whatIsRefusedOnlyOnceItIsNoLongerListedIsGone() throws {
        try Scenario.withBucket { scenario in
            let row = Row("key", bytes("content"))
            try scenario.add(Self.names[0], [good, row])
            try scenario.server.can(scenario.target(row), Self.odd)
            #expect(try scenario.run("sync").status == 3)
            try deny(scenario, [row])
            try scenario.folder.write(Self.names[1], [good])
            try scenario.run("sync")
            #expect(try states(scenario, "key") == ["gone"])
            try scenario.succeed("verify")
        }
    }

    /// A proxy's 405 is no word of S3.
    @Test func a405WithoutACodeSaysNothing() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], [good])
            try scenario.server.can(
                scenario.target(good), .init(status: 405, headers: [("Allow", "GET")], body: "<html>no</html>"))
            #expect(try scenario.run("sync").status == 3)
            #expect(try states(scenario, "good") == ["missing"])
            try scenario.server.reset()
            try scenario.succeed("sync")
            #expect(try states(scenario, "good") == ["present"])
        }
    }

    @Test func aLargeContentOfWhichNothingComesLeavesNothing() throws {
        try Scenario.withBucket { scenario in
            let large = (0..<3).map { Row("large/\($0)", RealBucket.content(seed: UInt64($0), count: 2 << 20)) }
            try scenario.folder.write(Self.names[0], [good] + large)
            try scenario.server.add(Scenario.bucket, [good])
            try deny(scenario, Array(large.prefix(1)))
            try scenario.run("sync", "--chunk-threshold", "1M", "--chunk-size", "1M")
            #expect(try StoreDigest.files("\(scenario.store)/tmp").isEmpty)
        }
    }

    @Test func aRepairTakesBackWhatIsNoLongerTrue() throws {
        try Scenario.withBucket { scenario in
            let row = Row("key", bytes("content"))
            try scenario.add(Self.names[0], [good, row])
            try deny(scenario, [row])
            #expect(try scenario.run("sync").status == 3)
            try scenario.server.reset()
            try scenario.server.can(scenario.target(row), Self.odd)
            #expect(try scenario.run("verify", "--repair").status == 3)
            #expect(try states(scenario, "key") == ["missing"])
        }
    }

    /// The version is refused, and the key has another object by now.
    @Test func aRefusedVersionOfAKeyThatHasAnotherObjectIsRefused() throws {
        try Scenario.withBucket { scenario in
            let row = Row("key", bytes("content"))
            try scenario.add(Self.names[0], [good, row])
            try scenario.server.can(scenario.target(row), Self.denied)
            try scenario.server.can(
                "/bucket/key", .init(status: 412, body: "<Error><Code>PreconditionFailed</Code></Error>"))
            #expect(try scenario.run("sync").status == 3)
            #expect(try states(scenario, "key") == ["refused"])
        }
    }
}
