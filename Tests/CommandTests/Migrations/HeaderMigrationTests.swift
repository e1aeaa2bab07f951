import Basics
import CFuse3
import Foundation
import Testbed
import Testing

/// An index of the time before format 3, which kept headers in a table of their own and only of what had arrived with a
/// content: its rows are brought into those of the versions, by any command that writes, below an open mount.
@Suite struct HeaderMigrationTests {
    typealias Row = InventoryFolder.Row

    private static let fixture = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Fixtures/headers/format-2.sql").path
    private static let renews = ProcessInfo.processInfo.environment["ICECORE_RENEW_FIXTURE"] == "headers/format-2"
    private static let names = (2...3).map { "2024-03-0\($0)T01-00Z" }

    private static let plain = Row("plain", bytes("nothing to say of it"))
    private static let typed = Row("a/typed", bytes("with a type"))
    /// The same content, of which an earlier program did not ask.
    private static let other = Row("b/other", bytes("with a type"), versionId: "other")
    private static let older = Row("a/twice", bytes("older"), at: "2024-02-01T00:00:00.000Z").with {
        $0.isLatest = false
    }
    private static let newer = Row("a/twice", bytes("newer"), at: "2024-02-02T00:00:00.000Z")

    /// What the server says of each, beside its ETag.
    private static let headers: [(row: Row, fields: [String: String])] = [
        (typed, ["content-type": "text/x-typed", "x-amz-meta-note": "one two"]),
        (other, ["content-type": "text/x-other"]),
        (older, ["content-type": "text/x-typed", "content-encoding": "gzip"]),
        (newer, ["content-type": "text/x-typed", "x-amz-meta-note": "one two"]),
    ]

    private static func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            let rows = [plain, typed, other, older, newer]
            for name in names { try scenario.folder.write(name, rows) }
            try scenario.server.add(Scenario.bucket, rows.map { row in row.with { $0.isLatest = false } })
            for (row, fields) in headers {
                let etag = Hex.encode(MD5.digest(row.content))
                let said = fields.merging(["etag": "\"\(etag)\""]) { $1 }.sorted { $0.key < $1.key }
                try scenario.server.can(
                    scenario.target(row),
                    .init(
                        headers: said.map { ($0.key, $0.value) }, body: String(decoding: row.content, as: UTF8.self)))
            }
            try body(scenario)
        }
    }

    /// A store of the first inventory, as the program of that time has left it.
    private static func load(into scenario: Scenario) throws {
        try scenario.succeed("sync", "--date", names[0])
        try IndexDump.load(fixture, into: scenario.store)
        try EarlierFormat.say(2, scenario.store)
    }

    /// What the store says of each version's headers, by version id; nil where nothing is known.
    private static func known(_ scenario: Scenario) throws -> [String: [String: String]] {
        var known: [String: [String: String]] = [:]
        for key in Set(headers.map(\.row.key)).union(["plain"]) {
            for record in try scenario.succeed("versions", "--json", key).records {
                guard let id = record["versionId"] as? String else { continue }
                known[id] = record["headers"] as? [String: String]
            }
        }
        return known
    }

    private static func type(_ file: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 1000)
        let count = getxattr(file, "user.mime_type", &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    @Test func headersOfTheTimeBeforeAreKept() throws {
        try Self.use { scenario in
            if Self.renews {
                try scenario.succeed("sync", "--date", Self.names[0])
                try Files.createDirectory((Self.fixture as NSString).deletingLastPathComponent)
                return try IndexDump.write(scenario.store, to: Self.fixture)
            }
            try Self.load(into: scenario)
            let arrived = Self.headers.filter { $0.row.versionId != "other" }
            func expectHeaders(_ expected: [(row: Row, fields: [String: String])], _ what: String) throws {
                let known = try Self.known(scenario)
                for (row, fields) in expected {
                    #expect(known[row.versionId] == fields, "\(what): \(row.key)")
                }
            }
            // As it is, by who only reads.
            try expectHeaders(arrived, "as it was")
            #expect(try Self.known(scenario)["other"] == nil, "never asked for")
            let mount = try scenario.mount("--offline")
            let dated = try scenario.mount("--at", Self.names[0], "--offline", name: "dated")
            #expect(Self.type("\(mount)/a/typed") == "text/x-typed")
            #expect(Self.type("\(dated)/a/typed") == "text/x-typed")
            #expect(Self.type("\(mount)/b/other") == nil)

            try scenario.succeed("sync", "--headers", "fetched")
            let text = String(decoding: try Files.read("\(scenario.store)/icecore.json", limit: 1 << 20), as: UTF8.self)
            #expect(text.contains("\"format\" : 3"), "\(text)")
            try expectHeaders(arrived, "after a sync")
            for place in [mount, dated] {
                #expect(Self.type("\(place)/a/typed") == "text/x-typed", "a mount that was open")
            }

            // What was not known is asked for now, and an open mount of the latest view shows it.
            try scenario.succeed("sync")
            try expectHeaders(Self.headers, "after the next")
            let clock = ContinuousClock()
            let start = clock.now
            while Self.type("\(mount)/b/other") != "text/x-other", clock.now - start < .seconds(15) { usleep(100_000) }
            #expect(Self.type("\(mount)/b/other") == "text/x-other")
            try scenario.succeed("verify")
            scenario.unmount(mount)
            scenario.unmount(dated)
        }
    }

    @Test(arguments: [["reindex"], ["prune", "--keep-last", "1"], ["verify", "--repair"]])
    func anyCommandThatWritesKeepsThem(words: [String]) throws {
        if Self.renews { return }
        try Self.use { scenario in
            try Self.load(into: scenario)
            let run = try scenario.run([words[0], "--store", scenario.store] + words.dropFirst())
            #expect(run.status == 0, "\(run)")
            let known = try Self.known(scenario)
            for (row, fields) in Self.headers where row.versionId != "other" {
                #expect(known[row.versionId] == fields, "\(words[0]): \(row.key)")
            }
            try scenario.succeed("verify")
        }
    }
}
