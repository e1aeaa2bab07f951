import Basics
import Model
import SQLite

/// Changes what rows say about their blobs, in one transaction. These flags are not part of the digests.
public final class BlobFlags {
    private let connection: Connection
    private let update: Statement
    private var isOpen = false

    public init(indexPath: String) throws {
        // Adds the tables of prunes to an index that predates them.
        _ = try IndexDatabase(path: indexPath)
        connection = try Connection(indexPath, readOnly: false)
        try connection.execute("PRAGMA synchronous = FULL; BEGIN IMMEDIATE")
        isOpen = true
        update = try connection.prepare(
            "UPDATE entry SET flags = (flags & ~?4) | ?5 WHERE directory = ?1 AND name = ?2 AND slot = ?3")
    }

    deinit {
        if isOpen { try? connection.execute("ROLLBACK") }
    }

    /// Records of the version of a row, which the source refuses, that it is gone: no inventory lists it any more.
    public func markUnlisted(_ row: MissingContents.Row) throws {
        let select = try connection.prepare(
            "SELECT \(try connection.entryColumns()) FROM entry WHERE directory = ?1 AND name = ?2 AND slot = ?3")
        let mark = try connection.prepare(BlobFlags.unlist)
        let prefix = try DirectoryNames(connection).prefix(of: row.directory) ?? []
        try row.name.withUnsafeBytes { name in
            select.bind(1, row.directory)
            select.bind(text: name, 2)
            select.bind(3, row.slot)
            guard try select.step() else { return }
            let found = EntryRow(select)
            guard let etag = found.contentETag(prefix: prefix) else { return }
            try (prefix + row.name).withUnsafeBytes { key in
                try Array(etag.description.utf8).withUnsafeBytes { etag in
                    mark.bind(text: key, 1)
                    mark.bind(text: found.versionId, 2)
                    mark.bind(text: etag, 3)
                    try mark.run()
                }
            }
        }
    }

    /// SQL that makes of a refused version's record one of a version that is gone.
    package static let unlist = """
        UPDATE failure SET gone = 1, state = '\(FetchFailure.unlisted)', reason = 'gone: no longer listed, and refused before'
        WHERE key = ? AND versionId = ? AND etag = ?
        """

    /// Removes some flags from a row, and adds others.
    public func change(_ row: MissingContents.Row, remove: EntryRow.Flags, add: EntryRow.Flags) throws {
        try row.name.withUnsafeBytes { name in
            update.bind(1, row.directory)
            update.bind(text: name, 2)
            update.bind(3, row.slot)
            update.bind(4, remove.rawValue)
            update.bind(5, add.rawValue)
            try update.run()
        }
    }

    /// - Parameter totals: the blobs that the store has from now on, and their bytes; nil: those do not change.
    public func commit(_ totals: (blobs: Int64, bytes: Int64)? = nil) throws {
        if let totals {
            try connection.setTotal("blobs", max(0, totals.blobs))
            try connection.setTotal("blobBytes", max(0, totals.bytes))
        }
        try connection.execute("COMMIT")
        isOpen = false
    }
}
