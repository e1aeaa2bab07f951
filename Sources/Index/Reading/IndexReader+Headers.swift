import Basics
import Model
import SQLite

extension IndexReader {
    /// The headers, metadata and tags of a version; nil if they are not known.
    ///
    /// - Parameter key: the row's whole key.
    public func headers(of row: EntryRow, key: [UInt8]) throws -> ObjectHeaders? {
        guard let etag = row.etagValue else { return nil }
        let statement = try connection.prepare(
            """
            SELECT headers FROM objectHeaders JOIN headerSet ON headerSet.id = headerSet
            WHERE key = ? AND versionId = ? AND etag = ?
            """)
        let text = Array(etag.description.utf8)
        return try key.withUnsafeBytes { key in
            try text.withUnsafeBytes { etag in
                statement.bind(text: key, 1)
                statement.bind(text: row.versionId, 2)
                statement.bind(text: etag, 3)
                return try statement.step() ? ObjectHeaders(json: Array(statement.bytes(0))) : nil
            }
        }
    }
}
