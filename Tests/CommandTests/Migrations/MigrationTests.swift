import Basics
import Foundation
import Testbed
import Testing

/// Indexes as every earlier schema that was ever on main had them, each written by the program of its time: today's opens
/// them, and reads in them what it would have written itself.
///
/// `Fixtures/*.sql` are dumps. A change of the schema adds one, made by the last program before the change:
/// `ICECORE=…/icecore ICECORE_RENEW_FIXTURE=NAME swift test --filter MigrationTests`.
@Suite struct MigrationTests {
    typealias Row = InventoryFolder.Row

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures").path
    private static let renews = ProcessInfo.processInfo.environment["ICECORE_RENEW_FIXTURE"]
    private static let names = (2...5).map { "2024-03-0\($0)T01-00Z" }
    /// Synced after the others, and taken before the last of them.
    private static let order = [0, 2, 1]

    // MARK: - A bucket

    private static let gone = Row("gone", bytes("gone for good"))
    private static let refused = Row("refused", bytes("nobody may have it"))
    private static let parted: Row = {
        let content = RealBucket.content(seed: 7, count: 5_500_000)
        let part = 5 << 20
        let digests = MD5.digest(Array(content[..<part])) + MD5.digest(Array(content[part...]))
        return Row("z/parted", content).with { $0.etag = Hex.encode(MD5.digest(digests)) + "-2" }
    }()

    /// What each of four inventories lists: versions that come and go, ties, deletions, a key that becomes a directory, an
    /// object that arrives encrypted, one that is gone, one that is refused.
    private static let inventories: [[Row]] = {
        let secret = Row("secret", bytes("encrypted")).with {
            $0.etag = "0123456789abcdef0123456789abcdef"
            $0.encryption = "SSE-KMS"
        }
        let steady = [
            secret, gone, refused, parted, Row("shared/a", bytes("the same")), Row("shared/b", bytes("the same")),
            Row("empty", []), Row("a//b", bytes("slashes")),
            Row("\(String(repeating: "n", count: 250))/x", bytes("long")),
        ]
        func noncurrent(_ row: Row) -> Row { row.with { $0.isLatest = false } }
        func marker(_ key: String, _ time: String) -> Row {
            Row(key, [], versionId: "marker-\(key)", at: time).with { $0.isMarker = true }
        }
        let one = Row("k/one", bytes("1"), at: "2024-03-01T10:00:00.000Z")
        let two = Row("k/one", bytes("2"), at: "2024-03-02T10:00:00.000Z")
        let three = Row("k/one", bytes("3"), at: "2024-03-03T10:00:00.000Z")
        let tied = Row("k/tied", bytes("first"), versionId: "b", at: "2024-03-01T10:00:00.000Z")
        let winner = Row("k/tied", bytes("second"), versionId: "a", at: "2024-03-01T10:00:00.000Z")
        let flips = Row("flip", bytes("a file"))
        let below = Row("flip/below", bytes("a directory"), at: "2024-03-02T10:00:00.000Z")
        return [
            steady + [one, noncurrent(tied), winner, flips],
            steady + [
                two, noncurrent(one), noncurrent(tied), winner, noncurrent(flips),
                marker("flip", "2024-03-02T09:00:00.000Z"), below,
            ],
            steady + [three, noncurrent(two), winner, below],
            steady + [marker("k/one", "2024-03-04T10:00:00.000Z"), noncurrent(three), noncurrent(two), flips],
        ]
    }()

    /// A store without a sync, and the server of its bucket.
    private static func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            for (name, rows) in zip(names, inventories) {
                try scenario.folder.write(name, rows)
                // By version id alone: no directory of the server can have a key beside the keys below it.
                try scenario.server.add(Scenario.bucket, rows.map { row in row.with { $0.isLatest = false } })
            }
            let missing = "<Error><Code>NoSuchVersion</Code><Message>gone</Message></Error>"
            try scenario.server.can(scenario.target(gone), .init(status: 404, body: missing))
            let denied = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
            try scenario.server.can(scenario.target(refused), .init(status: 403, body: denied))
            try scenario.server.can("/\(Scenario.bucket)/refused", .init(status: 403, body: denied))
            try body(scenario)
        }
    }

    /// Syncs the first three inventories.
    private static func syncFirst(_ scenario: Scenario) throws {
        for place in order {
            let run = try scenario.run("sync", "--date", names[place])
            #expect(run.status == 3, "\(run)")
        }
    }

    /// Everything that a store says, but for times at which something was done.
    private static func views(_ scenario: Scenario) throws -> [String: String] {
        var views: [String: String] = [:]
        for when in names.prefix(3) + ["2024-03-02T09:30:00Z", "2024-03-03T12:00:00Z"] {
            views["ls at \(when)"] = try scenario.succeed("ls", "-R", "--json", "--at", when).text
        }
        for key in ["k/one", "k/tied", "flip", "gone"] {
            // Earlier programs did not record all headers.
            views["versions of \(key)"] = try scenario.succeed("versions", "--json", key).text
                .replacing(#/,"headers":.*/#, with: "")
        }
        views["diff"] = try scenario.succeed("diff", names[0], names[2], "--json").text
        views["snapshots"] = try scenario.succeed("snapshots", "--json").text
        let status = try scenario.run("status", "--json").records
        for name in ["snapshots", "versions", "versionBytes", "blobs", "blobBytes", "keys"] {
            views["status: \(name)"] = (status.first?[name] as? Int).map { "\($0)" } ?? "nothing"
        }
        // Earlier programs did not tell what was refused from what was missing.
        let lacking = ["missing", "refused"].compactMap { status.first?[$0] as? Int }
        views["status: lacking"] = lacking.isEmpty ? "nothing" : "\(lacking.reduce(0, +))"
        views["failures"] = status.dropFirst().map { "\($0["key"] ?? "") \($0["gone"] ?? "")" }.joined(separator: ", ")
        for key in ["z/parted", "secret"] {
            views["content of \(key)"] = Hex.encode(MD5.digest(try scenario.succeed("cat", key).stdout))
        }
        return views
    }

    private static func expectSame(_ seen: [String: String], _ expected: [String: String], _ what: String) {
        for (name, text) in expected { #expect(seen[name] == text, "\(what): \(name)") }
    }

    // MARK: - Fixtures

    /// Writes a fixture, where that was asked for.
    private static func renew(_ scenario: Scenario) throws {
        guard let name = renews else { return }
        try syncFirst(scenario)
        try IndexDump.write(scenario.store, to: "\(folder)/\(name).sql")
    }

    /// Puts the index of a fixture into a store that has the blobs already.
    private static func load(_ fixture: String, into scenario: Scenario) throws {
        try IndexDump.load("\(folder)/\(fixture)", into: scenario.store)
    }

    private static var fixtures: [String] {
        get throws { try Files.names(in: folder).filter { $0.hasSuffix(".sql") } }
    }

    @Test func everyEarlierIndexIsReadAsTodays() throws {
        try Self.use { scenario in
            if Self.renews != nil { return try Self.renew(scenario) }
            try Self.syncFirst(scenario)
            let views = try Self.views(scenario)
            let saved = "\(scenario.directory)/saved"
            try FileManager.default.copyItem(atPath: scenario.store, toPath: saved)
            #expect(try scenario.run("sync").status == 3)
            let synced = try Self.views(scenario)
            #expect(synced["snapshots"] != views["snapshots"])
            let fixtures = try Self.fixtures
            #expect(fixtures.count >= 4)
            for fixture in fixtures {
                try FileManager.default.removeItem(atPath: scenario.store)
                try FileManager.default.copyItem(atPath: saved, toPath: scenario.store)
                try Self.load(fixture, into: scenario)
                // As it is, by who only reads.
                Self.expectSame(try Self.views(scenario), views, "\(fixture) as it was")
                let verify = try scenario.run("verify", "--json")
                #expect(verify.status == 3, "\(fixture): \(verify)")
                #expect(try verify.records.compactMap { $0["key"] as? String } == ["refused"], "\(fixture): \(verify)")
                let mount = try scenario.mount("--at", Self.names[1], "--offline", name: "mnt-\(fixture)")
                #expect(try Files.read("\(mount)/k/one", limit: 10) == bytes("2"), "\(fixture)")
                scenario.unmount(mount)

                // By who writes: a sync that finds nothing, one that finds something, a repair, a new index, a prune.
                #expect(try scenario.run("sync", "--date", Self.names[2]).status == 3)
                Self.expectSame(try Self.views(scenario), views, "\(fixture) after a sync of nothing")
                #expect(try scenario.run("sync").status == 3)
                Self.expectSame(try Self.views(scenario), synced, "\(fixture) after a sync")
                #expect(try scenario.run("verify", "--repair").status == 3)
                #expect(try scenario.run("verify").status == 3)
                try scenario.succeed("reindex")
                Self.expectSame(try Self.views(scenario), synced, "\(fixture) made again")
                try scenario.succeed("prune", "--keep-last", "3")
                #expect(try scenario.run("verify").status == 3)
            }
        }
    }

    /// The first commands of another time may be any.
    @Test(arguments: [["reindex"], ["prune", "--keep-within", "10d"], ["verify", "--repair"]])
    func anEarlierIndexCanBeWrittenToByAnyCommand(words: [String]) throws {
        if Self.renews != nil { return }
        try Self.use { scenario in
            try Self.syncFirst(scenario)
            let saved = "\(scenario.directory)/saved"
            try Files.rename(scenario.store, saved)
            var views: [String: String]?
            // First to what today's program has written.
            for fixture in [nil] + (try [Self.fixtures.first, Self.fixtures.last]) {
                try? FileManager.default.removeItem(atPath: scenario.store)
                try FileManager.default.copyItem(atPath: saved, toPath: scenario.store)
                if let fixture { try Self.load(fixture, into: scenario) }
                let run = try scenario.run([words[0], "--store", scenario.store] + words.dropFirst())
                #expect(run.status == (words[0] == "verify" ? 3 : 0), "\(fixture ?? ""): \(run)")
                let seen = try Self.views(scenario)
                if let views { Self.expectSame(seen, views, "\(fixture ?? "") after \(words[0])") }
                views = views ?? seen
                #expect(try scenario.run("verify").status == 3, "\(fixture ?? "")")
            }
        }
    }
}
