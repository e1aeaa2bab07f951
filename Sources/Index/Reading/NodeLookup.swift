import Basics
import SQLite

/// What a mount looks up in the index other than by name: rows by slot, directories by id. It reads the state of its
/// reader, between that reader's ``IndexReader/begin()`` and ``IndexReader/end()``, on the same thread.
public final class NodeLookup {
    private let bySlot: Statement
    private let names: DirectoryNames
    private let totals: Statement

    public init(_ reader: IndexReader) throws(IcecoreError) {
        let columns = try reader.connection.entryColumns()
        bySlot = try reader.connection.prepare(
            "SELECT \(columns) FROM entry WHERE directory = ?1 AND slot = ?2 LIMIT 1")
        names = try DirectoryNames(reader.connection)
        totals = try reader.connection.prepare("SELECT keys, bytes FROM snapshot WHERE id = ?1")
    }

    /// Passes the row of a slot to `body`; nil if there is none. Scans the directory: remember the result.
    public func row<Result>(
        slot: Int64, in directory: Int64, _ body: (borrowing EntryRow) throws -> Result
    ) throws -> Result? {
        bySlot.bind(1, directory)
        bySlot.bind(2, slot)
        defer { bySlot.reset() }
        return try bySlot.step() ? try body(EntryRow(bySlot)) : nil
    }

    /// Passes a directory's parent, and its name there (with `/`), to `body`; nil for an unknown id or the root.
    public func parent<Result>(
        of directory: Int64, _ body: (Int64, UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        try names.parent(of: directory, body)
    }

    /// The number of keys that a snapshot shows, and the sum of their sizes; zeros if it is unknown.
    public func totals(ofSnapshot id: Int64) throws(IcecoreError) -> (keys: Int64, bytes: Int64) {
        totals.bind(1, id)
        defer { totals.reset() }
        return try totals.step() ? (totals.integer(0), totals.integer(1)) : (0, 0)
    }
}
