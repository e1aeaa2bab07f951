import Basics
import Index
import Model

/// A scan of everything below a prefix, in the byte order of keys. Memory is bounded by the depth of a key.
///
/// It does what ``TreeWalk`` does, for a hundred million rows: what the visitor does is compiled into the loop, and where
/// the rows of the next directory follow those of the last one, as they mostly do, the tree is not searched for them.
struct RowScan {
    private static let rowsBetweenLooks = 4096

    private struct ScanLevel {
        let cursor: WalkCursor
        let directory: Int64
        let parentLength: Int
        /// The cursor is on a row that was not looked at yet.
        var isOnRow: Bool
    }

    private let reader: IndexReader
    private let beginning: [UInt8]
    private var levels: [ScanLevel] = []
    /// One for each depth that was reached: each goes on where it ended.
    private var cursors: [WalkCursor] = []
    private var path: [UInt8]
    private let limit: ScanLimit
    private let isBrief: Bool

    private init(_ reader: IndexReader, path: [UInt8], beginning: [UInt8], _ limit: ScanLimit, isBrief: Bool) {
        self.isBrief = isBrief
        self.reader = reader
        self.path = path
        self.beginning = beginning
        self.limit = limit
    }

    /// Passes all rows below a prefix to a visitor.
    ///
    /// - Parameters:
    ///   - prefix: any string of bytes; it need not end with `/`.
    ///   - isBrief: the visitor wants of rows only what `Connection.entryColumns` says.
    /// - Returns: false if the time was over before the end.
    static func run(
        _ reader: IndexReader, prefix: [UInt8], limit: ScanLimit, isBrief: Bool = false,
        _ visitor: inout some RowVisitor
    ) throws -> Bool {
        let (parent, beginning) = Key.split(prefix)
        guard let directory = try reader.directory(prefix: parent) else { return true }
        var scan = RowScan(reader, path: Array(parent), beginning: Array(beginning), limit, isBrief: isBrief)
        return try scan.run(from: directory, &visitor)
    }

    private mutating func run(from directory: Int64, _ visitor: inout some RowVisitor) throws -> Bool {
        try enter(directory, from: beginning, parentLength: path.count)
        var visited: Int64 = 0
        var untilLook = 1
        while let level = levels.last {
            let cursor = level.cursor
            var isOnRow = level.isOnRow
            var child: Int64 = 0
            while isOnRow {
                if levels.count == 1, !cursor.row.name.hasPrefix(beginning) { break }
                untilLook -= 1
                if untilLook == 0 {
                    untilLook = RowScan.rowsBetweenLooks
                    try Interruption.check()
                    if limit.isOver { return false }
                }
                if cursor.row.child == 0 {
                    if try !visitor.visit(cursor.row, in: path) { return true }
                } else if cursor.row.child != visited, visitor.enters(cursor.row) {
                    child = cursor.row.child
                    break
                }
                isOnRow = try cursor.next()
            }
            if child != 0 {
                try reader.expectBelow(level.directory, child)
                let length = path.count
                path.append(contentsOf: cursor.row.name)
                // The row is done with: its directory comes first, then the row behind it.
                levels[levels.count - 1].isOnRow = try cursor.next()
                try enter(child, from: [], parentLength: length)
                if try !visitor.begin() { return true }
                continue
            }
            if try !visitor.end(path, depth: levels.count - 1) { return true }
            levels.removeLast()
            visited = level.directory
            path.removeLast(path.count - level.parentLength)
        }
        return true
    }

    private mutating func enter(_ directory: Int64, from name: [UInt8], parentLength: Int) throws(IcecoreError) {
        if cursors.count == levels.count {
            cursors.append(try WalkCursor(reader.connection, from: name, isBrief: isBrief))
        }
        let cursor = cursors[levels.count]
        levels.append(
            ScanLevel(
                cursor: cursor, directory: directory, parentLength: parentLength, isOnRow: try cursor.enter(directory)))
    }
}
