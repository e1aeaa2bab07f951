import Basics
import SQLite

/// A scan over all rows of one directory after another, for the walk of a merge.
///
/// Directories that were new in one sync got their ids in the order of the walk, so that the rows of the next directory
/// mostly follow right behind: the scan then simply goes on, and the tree is not searched again.
package final class WalkCursor {
    private let statement: Statement
    private var directory: Int64 = 0
    /// The directory whose first row the statement stands on, behind the end of the one before; 0 for none.
    package private(set) var ahead: Int64 = 0
    /// The row that the cursor stands on; its pointers live until the next call.
    package private(set) var row = EntryRow(name: UnsafeRawBufferPointer(start: nil, count: 0))

    package init(_ connection: Connection) throws(IcecoreError) {
        statement = try connection.prepare(
            "SELECT \(EntryRow.columnsAndDirectory) FROM entry WHERE directory >= ?1 ORDER BY directory, name, slot")
    }

    deinit {
        statement.reset()
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
