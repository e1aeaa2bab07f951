import Basics
import SQLite

/// A range scan over the rows of one directory in the order (name, slot). Can be reused for another range.
public final class EntryCursor {
    private let statement: Statement
    /// The current row; its pointers are valid until the next ``next()``, ``seek(directory:from:)`` or ``close()``.
    public private(set) var row = EntryRow(name: UnsafeRawBufferPointer(start: nil, count: 0))
    private var isOpen = false
    /// The name that SQLite points to while the scan is open.
    private var start = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 1)

    init(_ connection: Connection) throws(IcecoreError) {
        let columns = try connection.entryColumns()
        statement = try connection.prepare(
            "SELECT \(columns) FROM entry WHERE directory = ?1 AND name >= ?2 ORDER BY name, slot")
    }

    deinit {
        close()
        start.deallocate()
    }

    /// Moves before the directory's first row whose name is at or after `name`.
    public func seek(directory: Int64, from name: some Collection<UInt8> = []) {
        close()
        if name.count > start.count {
            start.deallocate()
            start = .allocate(byteCount: name.count, alignment: 1)
        }
        start.copyBytes(from: name)
        statement.bind(1, directory)
        statement.bind(text: UnsafeRawBufferPointer(rebasing: start[..<name.count]), 2)
        isOpen = true
    }

    /// Moves to the next row; false after the last.
    @inline(__always)
    public func next() throws(IcecoreError) -> Bool {
        guard isOpen else { return false }
        if try statement.step() {
            row = EntryRow(statement)
            return true
        }
        close()
        return false
    }

    /// Releases the scan's resources.
    public func close() {
        guard isOpen else { return }
        statement.reset()
        isOpen = false
    }
}
