import Basics
import Foundation
import Testbed
import Testing

/// Replicas of every format that was ever written stay readable for ever.
///
/// A fixture is one JSON object: paths to contents in Base64. `ICECORE_RENEW_FIXTURE=1` writes one of the current format, which is only to be
/// done when a format is added: the old ones stay as they are.
@Suite struct ReplicaFixtureTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Fixtures")

    private static let rows: [InventoryFolder.Row] = [
        .init("a/first", bytes("first content")), .init("a/second", bytes("second content")),
        .init("secret", bytes("encrypted")).with {
            $0.etag = "0123456789abcdef0123456789abcdef"
            $0.encryption = "SSE-KMS"
        },
        .init("deleted", bytes("deleted later")),
    ]
    private static let second: [InventoryFolder.Row] = {
        var rows = Self.rows
        rows[3].isLatest = false
        rows.append(
            .init("deleted", [], versionId: "marker", at: "2024-03-02T13:00:00.000Z").with { $0.isMarker = true })
        return rows
    }()

    @Test(arguments: [1, 2]) func aReplicaOfAnyFormatIsRead(_ format: Int) throws {
        let file = Self.folder.appendingPathComponent("replica-\(format).json")
        try Scenario.use { scenario in
            let place = ReplicaPlace.directory(scenario)
            if format == 2, ProcessInfo.processInfo.environment["ICECORE_RENEW_FIXTURE"] == "1" { try Self.renew(file) }
            let data = try Data(contentsOf: file)
            let files = try #require(try JSONSerialization.jsonObject(with: data) as? [String: String])
            for (path, content) in files {
                let target = "\(scenario.directory)/replica/\(path)"
                try Files.createDirectories(Files.directory(of: target))
                try Data(base64Encoded: content)?.write(to: URL(fileURLWithPath: target))
            }
            let clone = try scenario.clone(place, "clone")
            #expect(try scenario.run(["verify", "--store", clone]).status == 0)
            let keys = ["a/first", "a/second", "secret"]
            func listed(_ words: [String]) throws -> [String] {
                try scenario.run(["ls", "-R", "--json"] + words).records.compactMap { $0["key"] as? String }
            }
            #expect(try listed(["--store", clone]) == keys)
            #expect(
                try listed(["--store", clone, "--at", "2024-03-02T01-00Z"]) == [
                    "a/first", "a/second", "deleted", "secret",
                ])
            let reading = ["--replica", place.url, "--cache", "\(scenario.directory)/cache"]
            #expect(try listed(reading) == keys)
            for row in Self.rows.prefix(3) {
                #expect(try scenario.run(["cat", row.key, "--store", clone]).stdout == row.content)
                #expect(try scenario.run(["cat", row.key] + reading).stdout == row.content)
            }
            // And can be pushed to.
            let push = try scenario.run(["push", place.url, "--store", clone])
            #expect(push.status == 0, "\(push)")
        }
    }

    private static func renew(_ file: URL) throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", rows)
            try scenario.add("2024-03-03T01-00Z", second)
            for name in ["2024-03-02T01-00Z", "2024-03-03T01-00Z"] { try scenario.succeed("sync", "--date", name) }
            try scenario.succeed("pack", "--below", "1M")
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            var files: [String: String] = [:]
            let root = "\(scenario.directory)/replica"
            for path in try StoreDigest.files(root) {
                files[path] = Data(try Files.read("\(root)/\(path)", limit: 1 << 24)).base64EncodedString()
            }
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let json = try JSONSerialization.data(
                withJSONObject: files, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
            try json.write(to: file)
        }
    }
}
