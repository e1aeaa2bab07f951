import Basics
import Blobs
import Model
import SQLite

/// Contents that the store lacks or has damaged: which rows need them, and through which versions they can be fetched
/// again. Takes one scan of the rows, because there is no index by ETag.
public final class MissingContents {
    /// A row of the index, by its primary key.
    public struct Row: Sendable {
        public var directory: Int64
        public var name: [UInt8]
        public var slot: Int64

        public init(directory: Int64, name: [UInt8], slot: Int64) {
            self.directory = directory
            self.name = name
            self.slot = slot
        }
    }

    /// A version of a wanted content.
    public struct Occurrence: Sendable {
        public var content: ContentKey
        /// As S3 gave it.
        public var etag: ETag
        public var key: [UInt8]
        public var versionId: [UInt8]?
        public var lastModified: Timestamp
        public var flags: EntryRow.Flags
        /// The newest snapshot of all marks it latest.
        public var isLatest: Bool
        /// The newest snapshot of all lists it.
        public var isListed: Bool
        /// The row of the index that says so.
        public var row: Row

        /// How to request it from the source.
        public var want: FetchRequest {
            var request = FetchRequest(
                key: key, versionId: versionId, etag: etag, contentETag: content.etag, size: content.size,
                isLatest: isLatest, isOpaque: flags.contains(.opaque), isArchived: flags.contains(.archived),
                lastModified: lastModified,
                replacedAt: isLatest ? .distantFuture : lastModified)
            request.wasDenied = flags.contains(.refused)
            return request
        }
    }

    private let reader: IndexReader
    private let blobs: BlobFinder
    private let facts: BlobFacts
    private let failure: Statement

    public init(_ blobs: Blobs, _ reader: IndexReader) throws {
        self.blobs = BlobFinder(blobs)
        self.reader = reader
        facts = try BlobFacts(reader.connection)
        let state = try reader.connection.knowsStates() ? "state" : "NULL"
        failure = try reader.connection.prepare(
            "SELECT \(state), gone FROM failure WHERE key = ? AND versionId = ? AND etag = ?")
    }

    /// The contents stored under SHA-256 digests that are wanted.
    public func contents(where isWanted: ([UInt8]) -> Bool) throws -> [ContentKey: [UInt8]] {
        let statement = try reader.connection.prepare("SELECT etag, size, sha256 FROM blob WHERE sha256 IS NOT NULL")
        var found: [ContentKey: [UInt8]] = [:]
        while try statement.step() {
            let digest = Array(statement.bytes(2))
            if isWanted(digest) {
                found[ContentKey(etag: ETag(Array(statement.bytes(0))), size: statement.integer(1))] = digest
            }
        }
        return found
    }

    /// Scans all rows.
    ///
    /// - Parameters:
    ///   - isKnown: of a content: it is looked for, whether it is in the store or not. Nil: none is.
    ///   - looksForMissing: also look for contents that are expected, neither gone nor archived, and have no blob.
    ///   - body: called for each row of such a version; a version can have several rows.
    public func scan(
        _ isKnown: ((ContentKey) throws -> Bool)?, looksForMissing: Bool, progress: (Int64) throws -> Void = { _ in },
        _ body: (Occurrence, _ isKnown: Bool) throws -> Void
    ) throws {
        let columns = try reader.connection.entryColumns(withDirectory: true)
        let statement = try reader.connection.prepare(
            "SELECT \(columns) FROM entry WHERE child IS NULL AND \(EntryRow.Flags.condition(none: .marker))"
        )
        let newest = Timeline.Rank(reader.timeline.points.count) - 1
        var prefix: (directory: Int64, bytes: [UInt8]) = (0, [])
        // Rows of one content are often adjacent.
        var last: (content: ContentKey, isThere: Bool)?
        var count: Int64 = 0
        while try statement.step() {
            let row = EntryRow(statement)
            count += 1
            if count & 0xFFF == 0 {
                try Interruption.check()
                try progress(count)
            }
            // Pruned contents are not needed, whether their blob is damaged or missing.
            if row.flags.contains(.pruned) { continue }
            let isExpected = row.flags.contains(.expected) && row.flags.isDisjoint(with: [.gone, .foundArchived])
            if isKnown == nil, !(looksForMissing && isExpected) { continue }
            let directory = statement.integer(EntryRow.directoryColumn)
            func inDirectory() throws -> [UInt8] {
                if prefix.directory != directory {
                    prefix = (directory, try reader.prefix(of: directory) ?? [])
                }
                return prefix.bytes
            }
            guard let etag = row.etagValue, let filed = try row.contentETag(prefix: try inDirectory()) else { continue }
            let content = ContentKey(etag: filed, size: row.size)
            let isWanted = try isKnown?(content) ?? false
            if !isWanted {
                guard looksForMissing, isExpected else { continue }
                let isThere: Bool
                if let last, last.content == content {
                    isThere = last.isThere
                } else {
                    isThere =
                        try blobs.has(etag: filed, size: row.size) {
                            try facts.find(etag: filed, size: row.size).sha256
                        }
                    last = (content, isThere)
                }
                if isThere { continue }
            }
            try body(
                Occurrence(
                    content: content, etag: etag, key: try inDirectory() + Array(row.name),
                    versionId: row.versionIsUnknown ? nil : Array(row.versionId), lastModified: row.lastModified,
                    flags: row.flags, isLatest: reader.timeline.covers(row.seenFrom, row.seenTo, newest),
                    isListed: reader.timeline.covers(row.listedFrom, row.listedTo, newest),
                    row: Row(directory: directory, name: Array(row.name), slot: row.slot)), isWanted)
        }
    }

    /// Why a version could not be fetched the last time; nil without a record.
    public func failure(of version: Occurrence) throws -> FetchFailure? {
        let etag = Array(version.content.etag.description.utf8)
        return try version.key.withUnsafeBytes { key in
            try (version.versionId ?? []).withUnsafeBytes { versionId in
                try etag.withUnsafeBytes { etag in
                    failure.bind(text: key, 1)
                    failure.bind(text: versionId, 2)
                    failure.bind(text: etag, 3)
                    defer { failure.reset() }
                    guard try failure.step() else { return nil }
                    return FetchFailure(
                        text: String(decoding: failure.bytes(0), as: UTF8.self), isGone: failure.integer(1) != 0)
                }
            }
        }
    }
}
