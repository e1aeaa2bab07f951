import Basics
import Model
import SQLite

extension IndexReader {
    /// Passes the content of each row to `body`, directory by directory, and there in the order of names: what its blob is
    /// filed under, and its size. Rows of one content that follow each other count once.
    public func forEachContent(_ body: (ETag, Int64) throws -> Void) throws {
        let columns = try connection.entryColumns(withDirectory: true)
        let statement = try connection.prepare(
            "SELECT \(columns) FROM entry WHERE child IS NULL AND \(EntryRow.Flags.condition(none: .marker))")
        var prefix: (directory: Int64, bytes: [UInt8]) = (0, [])
        var last: ContentKey?
        while try statement.step() {
            try Interruption.check()
            let row = EntryRow(statement)
            let directory = statement.integer(EntryRow.directoryColumn)
            if row.flags.contains(.filedByVersion), prefix.directory != directory {
                prefix = (directory, try self.prefix(of: directory) ?? [])
            }
            guard let etag = row.contentETag(prefix: prefix.bytes) else { continue }
            let content = ContentKey(etag: etag, size: row.size)
            if content == last { continue }
            last = content
            try body(etag, row.size)
        }
    }
}
