import Basics
import Foundation
import Testbed
import Testing

/// Answers that complain of the account, though they may concern one object alone: of the key that it is encrypted with.
@Suite struct AccountTroubleTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let unknownKey = FaultServer.Canned(
        status: 403,
        body: """
            <Error><Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist in our \
            records.</Message></Error>
            """)

    private func say(_ answer: FaultServer.Canned, of rows: [Row], _ scenario: Scenario) throws {
        for row in rows {
            try scenario.server.can(scenario.target(row), answer)
            try scenario.server.can("/\(Scenario.bucket)/\(row.key)", answer)
        }
    }

    private func sayOfBucket(_ answer: FaultServer.Canned, _ scenario: Scenario) throws {
        for path in ["", "/"] {
            try scenario.server.can("/\(Scenario.bucket)\(path)?list-type=2&max-keys=1", answer)
        }
    }

    /// The first object asked for, and one among others: no answer has shown yet that the account is sound, or one has.
    @Test(arguments: [1, 40])
    func oneObjectsComplaintEndsNoSync(count: Int) throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<count).map { Row("key/\($0)", bytes("content \($0)")) }
            try scenario.add(Self.name, rows)
            try say(Self.unknownKey, of: [rows[0]], scenario)
            // More objects than one: else most of what was asked for is refused.
            let other = Row("other", bytes("other content"))
            try scenario.add(Self.name, rows + [other])
            let run = try scenario.run("sync")
            #expect(run.status == 3 && run.stderr.contains("InvalidAccessKeyId"), "\(run)")
            #expect(try scenario.blobs.count == count, "the others are there")
            #expect(try scenario.failures().compactMap { $0["key"] as? String } == ["key/0"])

            try scenario.server.reset()
            try scenario.succeed("sync")
            #expect(try scenario.blobs.count == count + 1)
        }
    }

    @Test func anAccountThatIsUnknownEndsTheSyncInOneSentence() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<200).map { Row("key/\($0)", bytes("content \($0)")) }
            try scenario.add(Self.name, rows)
            try say(Self.unknownKey, of: rows, scenario)
            try sayOfBucket(Self.unknownKey, scenario)
            let run = try scenario.run("sync")
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("InvalidAccessKeyId"), "\(run)")
            #expect(try scenario.failures().isEmpty, "nothing is recorded of what was not asked rightly")
        }
    }

    @Test func anAccountThatBecomesInvalidOnTheWayEndsTheSync() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<400).map { Row("key/\($0)", bytes("content \($0)"), at: "2024-02-01T00:00:00.000Z") }
            try scenario.add(Self.name, rows)
            // The rest is refused; what has arrived stays.
            try say(Self.unknownKey, of: Array(rows.dropFirst(20)), scenario)
            let run = try scenario.run("sync")
            #expect(run.status == 1 && run.stderr.contains("InvalidAccessKeyId"), "\(run)")
            #expect(try scenario.failures().isEmpty)
            #expect(try scenario.requests().count < 399, "it does not ask to the end")

            try scenario.server.reset()
            try scenario.succeed("sync")
            #expect(try scenario.blobs.count == 400)
        }
    }
}
