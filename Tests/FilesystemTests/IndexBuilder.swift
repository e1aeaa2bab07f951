import Basics
import Foundation
import GRDB
import Index
import Inventory
import Model
import Store
import Testing

/// A store whose index is written directly, row by row: what a sync would have made of inventories.
final class IndexBuilder {
    struct Tenure {
        var key: [UInt8]
        var versionId: String?
        var lastModified: Int64
        /// nil: a delete marker.
        var etag: ETag?
        var size: Int64
        var valid: Range<Int64>?
        /// Ranks, which here are ids of snapshots less 1; `Int32.max` is for ever.
        var seen: Range<Int32>?
        var listed: Range<Int32>?
        var slot: Int64 = 0
    }

    let store: Store
    private let index: IndexDatabase
    private(set) var snapshots: [(id: Int64, name: String, takenAt: Timestamp)] = []
    private var tenures: [Tenure] = []
    private var directories: [[UInt8]: (id: Int64, slots: Int64)] = [[]: (1, 0)]
    private var directorySlots: [[UInt8]: Int64] = [:]

    init(_ path: String, bucket: String = "ice") throws {
        store = try Store.create(at: path, StoreConfiguration(bucket: bucket, inventory: nil))
        index = try IndexDatabase(path: store.indexPath)
    }

    func snapshot(_ name: String) throws {
        let taken = try #require(InventoryName.timestamp(name))
        snapshots.append((Int64(snapshots.count + 1), name, taken))
    }

    /// Adds a version, with its content as a blob.
    ///
    /// - Parameters:
    ///   - content: nil for a delete marker.
    ///   - valid: in seconds of the times given; nil as its end: for ever.
    ///   - seen: the ranks of the first snapshot that marks it latest, and of the first after it that does not.
    func add(
        _ key: String, _ content: String?, at time: String, until end: String? = nil, id: String? = "null",
        seen: Range<Int32>? = 0..<Int32.max, hasBlob: Bool = true, isOpaque: Bool = false
    ) throws {
        try add(
            Array(key.utf8), content.map { Array($0.utf8) }, at: time, until: end, id: id, seen: seen, hasBlob: hasBlob,
            isOpaque: isOpaque)
    }

    func add(
        _ key: [UInt8], _ content: [UInt8]?, at time: String, until end: String? = nil, id: String? = "null",
        seen: Range<Int32>? = 0..<Int32.max, hasBlob: Bool = true, isOpaque: Bool = false
    ) throws {
        let from = try #require(Timestamp(rfc3339: time)).milliseconds
        let to = try end.map { try #require(Timestamp(rfc3339: $0)).milliseconds } ?? .max
        var etag = content.map { ETag(Hex.encode(MD5.digest($0)).utf8) }
        if isOpaque, let content {
            let verbatim = ETag("kms-\(key.count)-\(content.count)".utf8)
            let sha256 = SHA256.digest(content)
            try index.queue.write { db in
                try db.execute(
                    sql: "INSERT OR IGNORE INTO blob (etag, size, partSize, sha256) VALUES (?, ?, NULL, ?)",
                    arguments: [verbatim.description, content.count, Data(sha256)])
            }
            if hasBlob { try put(content, BlobName.file(sha256: sha256, size: Int64(content.count))) }
            etag = verbatim
        } else if let content, let etag, hasBlob, let name = BlobName.file(etag: etag, size: Int64(content.count)) {
            try put(content, name)
        }
        tenures.append(
            Tenure(
                key: key, versionId: id, lastModified: from, etag: etag, size: Int64(content?.count ?? 0),
                valid: from..<to, seen: seen, listed: seen))
    }

    private func put(_ content: [UInt8], _ name: String) throws {
        try Data(content).write(to: URL(fileURLWithPath: store.blobs.path(ofName: name)))
    }

    /// What a key shows from the snapshot of a rank on ends there, as at the next sync.
    func end(_ key: String, at rank: Int32, time: String) throws {
        let to = try #require(Timestamp(rfc3339: time)).milliseconds
        for place in tenures.indices where tenures[place].key == Array(key.utf8) {
            if let seen = tenures[place].seen, seen.upperBound > rank { tenures[place].seen = seen.lowerBound..<rank }
            if let valid = tenures[place].valid, valid.upperBound > to { tenures[place].valid = valid.lowerBound..<to }
        }
    }

    // MARK: Writing

    private struct Unions {
        var valid: [Range<Int64>] = []
        var seen: [Range<Int32>] = []
    }

    /// Writes everything in one transaction.
    func commit() throws {
        var unions: [[UInt8]: Unions] = [:]
        for place in tenures.indices {
            let key = tenures[place].key
            var prefix: [UInt8] = []
            var start = 0
            for (position, byte) in key.enumerated() where byte == UInt8(ascii: "/") {
                let parent = prefix
                prefix = Array(key[...position])
                if directories[prefix] == nil {
                    directories[prefix] = (Int64(directories.count + 1), 0)
                    directorySlots[prefix] = takeSlot(parent)
                }
                if tenures[place].etag != nil {
                    if let valid = tenures[place].valid { unions[prefix, default: Unions()].valid.append(valid) }
                    if let seen = tenures[place].seen { unions[prefix, default: Unions()].seen.append(seen) }
                }
                start = position + 1
            }
            if tenures[place].slot == 0 { tenures[place].slot = takeSlot(Array(key[..<start])) }
        }
        let earliest = tenures.compactMap(\.valid?.lowerBound).min()
        try index.queue.write { db in
            try db.execute(sql: "DELETE FROM entry; DELETE FROM directory; DELETE FROM longName; DELETE FROM snapshot")
            for (id, name, takenAt) in snapshots {
                try db.execute(
                    sql: "INSERT INTO snapshot VALUES (?, ?, ?, ?, x'00', 0, NULL, NULL, 0, ?, ?, NULL)",
                    arguments: [
                        id, name, takenAt.milliseconds, takenAt.milliseconds, tenures.count,
                        tenures.reduce(0) { $0 + $1.size },
                    ])
            }
            try db.execute(
                sql: "INSERT INTO entry (directory, name, slot, flags, validFrom, child) VALUES (0, '/', 1, 0, ?, 1)",
                arguments: [earliest])
            for (prefix, (id, slots)) in directories { try write(db, prefix, id, slots, unions[prefix] ?? Unions()) }
            for tenure in tenures { try write(db, tenure) }
        }
    }

    private func takeSlot(_ prefix: [UInt8]) -> Int64 {
        directories[prefix]?.slots += 1
        return directories[prefix]?.slots ?? 0
    }

    private func split(_ key: [UInt8]) -> (prefix: [UInt8], name: [UInt8]) {
        let end = key.dropLast().lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        return (Array(key[..<end]), Array(key[end...]))
    }

    private func write(_ db: Database, _ prefix: [UInt8], _ id: Int64, _ slots: Int64, _ unions: Unions) throws {
        let (parent, name) = split(prefix)
        let parentId = prefix.isEmpty ? 0 : directories[parent]?.id ?? 0
        try db.execute(
            sql: "INSERT INTO directory VALUES (?, ?, CAST(? AS TEXT), ?)",
            arguments: [id, parentId, Data(name), slots])
        guard !prefix.isEmpty else { return }
        let valid = merged(unions.valid)
        let seen = merged(unions.seen)
        for place in 0..<max(1, valid.count, seen.count) {
            var slot = directorySlots[prefix] ?? 0
            // Further tenures have slots that no test asks for.
            if place > 0 { slot = 1_000_000 + slot * 100 + Int64(place) }
            try insert(
                db, parentId, name, slot, flags: 0, place < valid.count ? valid[place] : nil,
                place < seen.count ? seen[place] : nil, child: id)
        }
        try noteLongName(db, parentId, Array(name.dropLast()))
    }

    private func write(_ db: Database, _ tenure: Tenure) throws {
        let end = tenure.key.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        let directory = directories[Array(tenure.key[..<end])]?.id ?? 0
        let name = Array(tenure.key[end...])
        try insert(
            db, directory, name, tenure.slot, flags: tenure.etag == nil ? 1 : 8, tenure.valid, tenure.seen,
            tenure: tenure)
        try noteLongName(db, directory, name)
    }

    private func noteLongName(_ db: Database, _ directory: Int64, _ component: [UInt8]) throws {
        guard component.count > 242 || component.contains(0) else { return }
        try db.execute(
            sql: "INSERT OR IGNORE INTO longName VALUES (?, ?, CAST(? AS TEXT))",
            arguments: [directory, Data(SHA256.digest(component)), Data(component)])
    }

    private func insert(
        _ db: Database, _ directory: Int64, _ name: [UInt8], _ slot: Int64, flags: Int, _ valid: Range<Int64>?,
        _ seen: Range<Int32>?, child: Int64? = nil, tenure: Tenure? = nil
    ) throws {
        func id(_ rank: Int32?) -> Int64? { rank.flatMap { $0 == .max ? nil : Int64($0) + 1 } }
        let etag: (any DatabaseValueConvertible)? = tenure?.etag.map { etag in
            if let verbatim = etag.verbatim { return String(decoding: verbatim, as: UTF8.self) }
            return Data(etag.md5)
        }
        try db.execute(
            sql: """
                INSERT INTO entry (directory, name, slot, flags, validFrom, validTo, seenFrom, seenTo, listedFrom,
                    listedTo, child, size, lastModified, versionId, etag)
                VALUES (?, CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                directory, Data(name), slot, flags, valid?.lowerBound,
                valid.flatMap { $0.upperBound == .max ? nil : $0.upperBound }, id(seen?.lowerBound),
                id(seen?.upperBound), id(seen?.lowerBound), id(seen?.upperBound), child, tenure?.size,
                tenure?.lastModified, tenure?.versionId, etag,
            ])
    }

    private func merged<Bound>(_ ranges: [Range<Bound>]) -> [Range<Bound>] {
        var result: [Range<Bound>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
            if let last = result.last, range.lowerBound <= last.upperBound {
                result[result.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}
