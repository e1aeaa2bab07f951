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

    /// - Parameter blobs: the names and sizes of blobs that the store will no longer have.
    public func commit(without blobs: [(name: String, size: Int64)] = []) throws {
        var (count, bytes) = (Int64(0), Int64(0))
        let doomed = try connection.prepare("SELECT 1 FROM doomed WHERE name = ?")
        for blob in blobs {
            // A prune stopped before it removed the blob has already counted it.
            var isDoomed = false
            try doomed.run(texts: [(1, blob.name)]) {
                isDoomed = try doomed.step()
                doomed.reset()
            }
            if isDoomed { continue }
            count += 1
            bytes = bytes.addingClamped(blob.size)
        }
        try connection.addToTotal("blobs", -count)
        try connection.addToTotal("blobBytes", -bytes)
        try connection.execute("COMMIT")
        isOpen = false
    }
}
