import Basics
import Foundation
import Testbed
import Testing

extension Scenario {
    typealias Row = InventoryFolder.Row

    /// The two inventories of a store with contents.
    static let inventoryNames = ["2024-03-02T01-00Z", "2024-03-03T01-00Z"]

    /// Runs a test with a store that has contents of all kinds, synced from two inventories: an object in two versions
    /// whose contents are both kept, and one content under several keys, among others.
    static func withContents(small: Int = 40, _ body: (Scenario) throws -> Void) throws {
        try withBucket { scenario in
            try scenario.addContents(small: small)
            try body(scenario)
        }
    }

    /// Fills an empty store of the made-up bucket with these contents.
    func addContents(small: Int = 40) throws {
        var first = (0..<small).map { Row("small/\($0 % 3)/\($0)", bytes("content \($0)")) }
        first.append(Self.parted)
        first.append(
            Row("secret", bytes("encrypted")).with {
                $0.etag = "0123456789abcdef0123456789abcdef"
                $0.encryption = "SSE-KMS"
            })
        first += ["shared/a", "shared/b"].map { Row($0, bytes("the same")) }
        first.append(Row("empty", []))
        var second = first
        second[0].isLatest = false
        second.append(Row(second[0].key, bytes("newer"), at: "2024-03-02T12:00:00.000Z"))
        second.append(
            Row(second[1].key, [], versionId: "marker", at: "2024-03-02T13:00:00.000Z").with { $0.isMarker = true })
        second[1].isLatest = false
        try add(Self.inventoryNames[0], first)
        try add(Self.inventoryNames[1], second)
        for name in Self.inventoryNames { try succeed("sync", "--date", name) }
        rows = second
    }

    /// Uploaded in two parts of 5 MiB.
    private static let parted: Row = {
        let content = RealBucket.content(seed: 7, count: 5_500_000)
        let part = 5 << 20
        let digests = MD5.digest(Array(content[..<part])) + MD5.digest(Array(content[part...]))
        return Row("parted", content).with { $0.etag = Hex.encode(MD5.digest(digests)) + "-2" }
    }()

    /// The path of a row's blob.
    func blob(_ row: Row) -> String {
        let etag = row.etag ?? Hex.encode(MD5.digest(row.content))
        if row.encryption == "SSE-KMS" {
            let digest = Hex.encode(SHA256.digest(row.content))
            return "\(store)/blobs/\(digest.prefix(2))/x-\(digest)-\(row.content.count)"
        }
        return "\(store)/blobs/\(etag.prefix(2))/\(etag)-\(row.content.count)"
    }

    func row(_ key: String) throws -> Row {
        try #require(rows.first { $0.key == key })
    }

    /// Everything that views say, as bytes.
    func views() throws -> [[UInt8]] {
        var views = try Self.inventoryNames.map { try succeed("ls", "-R", "--json", "--at", $0).stdout }
        views.append(try succeed("ls", "-R", "--json", "--at", "2024-03-02T12:30:00Z").stdout)
        views.append(try succeed("snapshots", "--json").stdout)
        for row in rows.prefix(4) { views.append(try succeed("versions", "--json", row.key).stdout) }
        return views
    }

    /// Writes over a file that is read-only.
    static func change(_ path: String, _ body: (inout [UInt8]) -> Void) throws {
        var content = try Files.read(path, limit: 1 << 28)
        body(&content)
        chmod(path, 0o644)
        let file = try File(path, O_WRONLY | O_TRUNC)
        try content.withUnsafeBytes { try file.write($0) }
        chmod(path, 0o444)
    }

    /// Starts a verification that takes some seconds, and waits until it reads the largest blob.
    func startVerification(environment: [String: String] = [:]) throws -> RunningProgram {
        let process = try start(
            ["verify", "--store", store, "--limit-rate", "1M"], environment: environment)
        let large = blob(try row("parted"))
        let isReading = Clock.wait(seconds: 60) { process.hasOpen(large) }
        try #require(isReading)
        return process
    }

    /// The findings of a verification, by path below the store.
    func findings(_ words: String..., status: Int32, sourceLocation: SourceLocation = #_sourceLocation) throws
        -> [String: [String: Any]]
    {
        let run = try run(["verify", "--store", store, "--json"] + words)
        #expect(run.status == status, "\(run)", sourceLocation: sourceLocation)
        var found: [String: [String: Any]] = [:]
        for record in try run.records { found["\(store)/\(record["path"] as? String ?? "")"] = record }
        return found
    }
}
