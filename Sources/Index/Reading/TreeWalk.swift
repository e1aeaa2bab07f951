import Basics

/// A walk over a directory of the index and everything below it, in the byte order of keys: one cursor per directory on
/// the way down, so that memory is bounded by the depth of a key.
///
/// The caller decides at each row whether to descend into it.
public final class TreeWalk {
    /// The position of the walk.
    public enum Stop: Sendable {
        /// On ``row``.
        case row
        /// After the last row of a directory, with ``path`` still its prefix.
        case end
    }

    /// The prefix of keys of the directory that the walk is in, with its `/`.
    public private(set) var path: [UInt8]
    /// The directory that the walk is in.
    public var directory: Int64 { levels.last?.directory ?? 0 }
    /// How many directories the walk has descended from its start.
    public var depth: Int { levels.count - 1 }
    /// The current row; its pointers are valid until the next call.
    public var row: EntryRow { levels[levels.count - 1].cursor.row }

    private let reader: IndexReader
    /// The prefix of names in the directory where the walk begins.
    private let beginning: [UInt8]
    private var levels: [(cursor: EntryCursor, directory: Int64, parentLength: Int, bound: [UInt8])] = []
    private var spare: [EntryCursor] = []
    private var isAtEnd = false
    /// The last directory left.
    private var visited: Int64 = 0

    /// - Parameters:
    ///   - path: the prefix of keys of `directory`.
    ///   - beginning: restricts the walk to names with this prefix in that directory.
    ///   - bound: the walk begins at the first key at or after `path` and this, of what it descends into; nil: at `beginning`,
    ///     before which it must not be.
    public init(
        _ reader: IndexReader, _ directory: Int64, path: [UInt8], beginning: [UInt8], from bound: [UInt8]? = nil
    ) throws {
        self.reader = reader
        self.path = path
        self.beginning = beginning
        try enter(directory, from: bound ?? beginning, parentLength: path.count)
    }

    /// Moves to the next row, or to the end of the directory; nil when the walk is over.
    public func next() throws(IcecoreError) -> Stop? {
        if isAtEnd { leave() }
        guard let cursor = levels.last?.cursor else { return nil }
        if try cursor.next(), levels.count > 1 || cursor.row.name.hasPrefix(beginning) { return .row }
        isAtEnd = true
        return .end
    }

    /// Descends into the current row's directory.
    public func descend() throws(IcecoreError) {
        let (child, length) = (row.child, path.count)
        try reader.expectBelow(directory, child)
        path.append(contentsOf: row.name)
        let bound = levels[levels.count - 1].bound
        let isInBound = bound.count > row.name.count && bound.starts(with: row.name)
        try enter(child, from: isInBound ? Array(bound[row.name.count...]) : [], parentLength: length)
    }

    /// The walk has just left the current row's directory: one with several tenures has several rows.
    public var hasVisitedDirectory: Bool { row.child == visited }

    private func enter(_ directory: Int64, from bound: [UInt8], parentLength: Int) throws(IcecoreError) {
        let cursor: EntryCursor
        if let used = spare.popLast() { cursor = used } else { cursor = try reader.cursor() }
        // The component of the bound in this directory, with its `/`: rows of directories have that in their names.
        let end = bound.firstIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? bound.count
        cursor.seek(directory: directory, from: bound[..<end])
        levels.append((cursor, directory, parentLength, bound))
    }

    private func leave() {
        isAtEnd = false
        let level = levels.removeLast()
        level.cursor.close()
        spare.append(level.cursor)
        visited = level.directory
        path.removeLast(path.count - level.parentLength)
    }
}
