import Basics
import SQLite

/// A scan over all rows of one directory after another, for a merge's walk and for other scans.
///
/// Directories new in one sync got their ids in walk order, so that the rows of the next directory mostly follow
/// immediately: the scan then just continues, and the tree is not searched again.
package final class WalkCursor {
    private let statement: Statement
    private var directory: Int64 = 0
    /// The directory whose first row the statement has reached, past the end of the previous one; 0 for none.
    package private(set) var ahead: Int64 = 0
    /// The current row; its pointers are valid until the next call.
    package private(set) var row = EntryRow(name: UnsafeRawBufferPointer(start: nil, count: 0))

    /// The first name, if there is one.
    private let start: UnsafeMutableRawBufferPointer?

    /// - Parameters:
    ///   - name: of the first directory, only names at or after this are wanted, and no other directory.
    ///   - isBrief: rows are as brief as `Connection.entryColumns` says.
    package init(_ connection: Connection, from name: [UInt8] = [], isBrief: Bool = false) throws(IcecoreError) {
        let columns = try connection.entryColumns(withDirectory: true, isBrief: isBrief)
        let first = name.isEmpty ? "directory >= ?1" : "directory = ?1 AND name >= ?2"
        statement = try connection.prepare(
            "SELECT \(columns) FROM entry WHERE \(first) ORDER BY directory, name, slot")
        if name.isEmpty {
            start = nil
        } else {
            let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: name.count, alignment: 1)
            bytes.copyBytes(from: name)
            start = bytes
            // Resets leave what is bound.
            statement.bind(text: UnsafeRawBufferPointer(bytes), 2)
        }
    }

    deinit {
        statement.reset()
        start?.deallocate()
    }

    /// Moves to the first row of a directory; false if it has none.
    package func enter(_ directory: Int64) throws(IcecoreError) -> Bool {
        self.directory = directory
        if ahead == directory {
            ahead = 0
            row = EntryRow(statement)
            return true
        }
        statement.reset()
        statement.bind(1, directory)
        return try next()
    }

    /// Moves to the next row of the directory; false after the last.
    @inline(__always)
    package func next() throws(IcecoreError) -> Bool {
        guard try statement.step() else {
            ahead = 0
            return false
        }
        let found = statement.integer(EntryRow.directoryColumn)
        guard found == directory else {
            ahead = found
            return false
        }
        row = EntryRow(statement)
        return true
    }
}
