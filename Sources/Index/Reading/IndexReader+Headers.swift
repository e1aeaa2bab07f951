import Basics
import Model
import SQLite

extension IndexReader {
    /// The headers, metadata and tags of a version, as far as they are known; nil if nothing is.
    ///
    /// - Parameter key: the row's whole key.
    public func headers(of row: EntryRow, key: [UInt8]) throws -> ObjectHeaders? {
        guard !row.isMarker, let etag = row.etagValue else { return nil }
        guard knowsHeaders else { return try headersBefore(key, row.versionId, etag, slot: row.slot) }
        return try headers(set: row.headers, row.flags)
    }

    /// The same of a version of a key.
    public func headers(of version: KeyVersions.Entry, key: [UInt8]) throws -> ObjectHeaders? {
        guard let etag = version.identity.etag else { return nil }
        guard knowsHeaders else {
            return try (version.identity.versionId ?? []).withUnsafeBytes {
                try headersBefore(key, $0, etag, slot: version.slot)
            }
        }
        return try headers(set: version.headers, version.flags)
    }

    /// A header set by its number, 0 being that of nothing but bytes.
    public func headers(set: Int64, isComplete: Bool) throws -> ObjectHeaders? {
        try headers(set: set, isComplete ? [.headersKnown] : []) ?? ObjectHeaders()
    }

    private func headers(set: Int64, _ flags: EntryRow.Flags) throws -> ObjectHeaders? {
        guard set != 0 else { return flags.contains(.headersKnown) ? ObjectHeaders() : nil }
        headerSet.bind(1, set)
        defer { headerSet.reset() }
        guard try headerSet.step(), var headers = ObjectHeaders(json: Array(headerSet.bytes(0))) else {
            throw IcecoreError.damaged(connection.path, "the header set \(set) is missing or no JSON")
        }
        headers.isComplete = flags.contains(.headersKnown)
        return headers
    }

    /// The headers in an index that had another format when it was opened.
    private func headersBefore(
        _ key: [UInt8], _ versionId: UnsafeRawBufferPointer, _ etag: ETag, slot: Int64
    ) throws -> ObjectHeaders? {
        if try connection.knowsHeaders() {
            // It was brought to this format meanwhile.
            let (prefix, name) = Key.split(key)
            guard let directory = try directory(prefix: prefix) else { return nil }
            let row = try connection.prepare(
                "SELECT coalesce(headers, 0), flags FROM entry WHERE directory = ? AND name = ? AND slot = ?")
            row.bind(1, directory)
            row.bind(3, slot)
            return try name.withUnsafeBytes { name in
                row.bind(text: name, 2)
                defer { row.reset() }
                guard try row.step() else { return nil }
                return try headers(set: row.integer(0), EntryRow.Flags(rawValue: row.integer(1)))
            }
        }
        let statement = try connection.prepare(
            """
            SELECT headers FROM objectHeaders JOIN headerSet ON headerSet.id = headerSet
            WHERE key = ? AND versionId = ? AND etag = ?
            """)
        let text = Array(etag.description.utf8)
        return try key.withUnsafeBytes { key in
            try text.withUnsafeBytes { etag in
                statement.bind(text: key, 1)
                statement.bind(text: versionId, 2)
                statement.bind(text: etag, 3)
                return try statement.step() ? ObjectHeaders(jsonOfFormat2: Array(statement.bytes(0))) : nil
            }
        }
    }
}
