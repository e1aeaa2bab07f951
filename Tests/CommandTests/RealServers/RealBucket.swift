import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// A bucket of Ceph's gateway that has everything a bucket can have, and what was put into it.
final class RealBucket: @unchecked Sendable {
    // Everything is set once, before anybody else sees it.

    struct Object: Hashable {
        var key: ByteString
        var versionId: ByteString
    }

    let server: RGWServer
    let admin: S3Admin
    let name: String
    /// Where its inventory is: as a directory, and in a bucket.
    let directory: String
    let inventoryURL: String
    let inventory: S3Admin.MadeInventory
    let rows: [S3Admin.ServedVersion]
    private let contents: [Object: [UInt8]]

    /// The one that all tests read. Nobody changes it.
    static func shared() throws -> RealBucket { try made.get() }
    private static let made = Result { try RealBucket() }

    /// Parts as usual, and parts that nobody can guess.
    static let usualParts = content(seed: 1, count: 9 << 20)
    static let oddParts = content(seed: 2, count: 6_000_001)
    static let oddPartSize = 5_555_557

    /// Bytes that no two seeds share.
    static func content(seed: UInt64, count: Int) -> [UInt8] {
        var random = SplitMix64(seed: seed)
        let block = (0..<min(count, 65536)).map { _ in UInt8(random.below(256)) }
        var content: [UInt8] = []
        content.reserveCapacity(count + block.count)
        while content.count < count { content += block }
        return Array(content.prefix(count))
    }

    /// Every odd key that the gateway accepts.
    static let oddKeys: [ByteString] =
        OddKeys.odd + OddKeys.plain + OddKeys.flipping.flatMap { $0 } + [
            "%41", "100%", "it's \"quoted\"", "%2F", "%25", "versionId=x", "?versions", "a?versionId=null",
            "<xml>&amp;",
            ByteString(String(repeating: "n", count: 300)), ByteString(String(repeating: "/", count: 1024)),
            ByteString(String(repeating: "d/", count: 511) + "ab"),
            ByteString(String(repeating: "e", count: 1024)),
        ]

    private init() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let name = "everything-\(UInt32.random(in: 0 ... .max))"
        var contents: [Object: [UInt8]] = [:]
        func put(_ objects: [(ByteString, [UInt8])]) throws {
            let stored = try admin.put(name, objects.map { S3Admin.NewObject(key: $0.string, content: $1) })
            for ((key, content), version) in zip(objects, stored) {
                contents[Object(key: key, versionId: ByteString(version.versionId ?? "null"))] = content
            }
        }

        // What is put before versioning has the id null.
        try admin.createBucket(name, versioned: false)
        try put([("null version", bytes("of old")), ("null replaced", bytes("the first")), ("plain", bytes("before"))])
        try admin.setVersioning(name, "Enabled")
        let keys = Array(Set(RealBucket.oddKeys)).sorted()
        // A key that ends in a slash is a directory if it is empty.
        try put(keys.map { ($0, $0.hasSuffix("/") && $0.count % 2 == 0 ? [] : bytes("1 of ") + $0.bytes) })
        for round in 2...3 {
            try put(keys.enumerated().filter { $0.offset % round == 0 }.map { ($1, bytes("\(round) of ") + $1.bytes) })
        }
        try put([("null replaced", bytes("the second"))])
        for (place, key) in keys.enumerated() where place % 7 == 0 { try admin.delete(name, key.string) }
        // Deleted, and there again.
        try put(keys.enumerated().filter { $0.offset % 14 == 0 }.map { ($1, bytes("again ") + $1.bytes) })
        try put((0..<20).map { (ByteString("same/\($0 % 10)"), bytes("the same everywhere")) })
        for (key, content, partSize) in [
            ("parts/usual", RealBucket.usualParts, 8 << 20), ("parts/odd", RealBucket.oddParts, RealBucket.oddPartSize),
        ] {
            let stored = try admin.put(name, S3Admin.NewObject(key: key, content: content, partSize: partSize))
            contents[Object(key: ByteString(key), versionId: ByteString(stored.versionId ?? "null"))] = content
        }

        directory = "\(server.directory)/\(name)"
        try Files.createDirectory(directory)
        try admin.createBucket("\(name)-inventories")
        var options = S3Admin.InventoryOptions()
        options.destination = "\(name)-inventories"
        options.rowsPerFile = 100
        options.shuffle = true
        inventory = try admin.makeInventory(of: name, in: directory, options)
        inventoryURL = "s3://\(name)-inventories/\(inventory.prefix)"
        rows = try admin.listVersions(name)
        self.server = server
        self.admin = admin
        self.name = name
        self.contents = contents
    }

    /// What was put as this version.
    func content(_ version: Version) -> [UInt8]? {
        version.id.bytes.flatMap { contents[Object(key: version.key, versionId: $0)] }
    }

    /// What is current.
    var view: ShownVersions {
        ShownVersions(
            uniqueKeysWithValues: rows.filter { $0.isLatest && !$0.deleteMarker }.map { row in
                (ByteString(row.key), Version(row))
            })
    }

    /// What the inventory says.
    var history: History {
        get throws {
            let takenAt = try #require(Timestamp(rfc3339: inventory.name.prefix(13) + ":00:00Z"))
            let rows = rows.map { InventoryReport.Row(Version($0), isLatest: $0.isLatest) }
            return try History([InventoryReport(name: inventory.name, takenAt: takenAt, rows: rows)])
        }
    }

    /// All versions that have content.
    var objects: [Version] {
        rows.filter { !$0.deleteMarker }.map { Version($0) }
    }
}

/// The UTF-8 of a text.
func bytes(_ text: String) -> [UInt8] {
    Array(text.utf8)
}

extension Version {
    /// A version as a server lists it and an inventory says it: to the second.
    init(_ row: S3Admin.ServedVersion) {
        self.init(
            key: ByteString(row.key), id: .id(ByteString(row.versionId)),
            lastModified: Timestamp(rfc3339: row.lastModified.prefix(19) + "Z") ?? .distantPast,
            etag: ByteString(row.etag), isMarker: row.deleteMarker, size: row.size ?? 0)
    }
}

extension RGWServer {
    /// Leaves a mark in the server's log: a request for what is not there.
    func mark(_ text: String, _ admin: S3Admin) {
        _ = try? admin.get(text, "mark")
    }

    /// What the server was asked so far, as `GET /bucket/key`; it must have been marked last.
    func requests(upTo mark: String) throws -> [String] {
        var lines: [String] = []
        // The log comes late: when the mark is in it, everything before is.
        let isThere = try Clock.wait(seconds: 60) {
            let log = String(
                decoding: try Files.read("\(directory)/log/client.rgw.x.log", limit: 1 << 28), as: UTF8.self)
            lines = log.split(separator: "\n").filter { $0.contains("beast: 0x") }.map(String.init)
            return lines.contains { $0.contains("/\(mark)") }
        }
        guard isThere else { throw TestbedError("the gateway's log does not show what it was asked") }
        return lines.compactMap { line in
            let quoted = line.split(separator: "\"", omittingEmptySubsequences: false)
            return quoted.count > 1 ? String(quoted[1]) : nil
        }
    }
}
