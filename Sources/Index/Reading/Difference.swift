import Basics
import Model

/// One key in which two views differ.
public struct Difference: Sendable {
    public enum Change: String, Sendable {
        case added, removed, modified
    }

    public var change: Change
    public var key: [UInt8]
    /// What each side shows; nil where it does not show the key.
    public var from: VersionIdentity?
    public var to: VersionIdentity?
}

extension IndexReader {
    /// Compares two views, in the byte order of keys, in one scan and without holding either side.
    ///
    /// - Parameters:
    ///   - prefix: any string of bytes; it need not end with `/`.
    ///   - body: returns false to stop.
    public func differences(
        from old: View, to new: View, prefix: [UInt8], _ body: (Difference) throws -> Bool
    ) throws {
        let split = prefix.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        guard let directory = try directory(prefix: prefix[..<split]) else { return }
        try withoutActuallyEscaping(body) { body in
            let walk = DifferenceWalk(self, old, new, path: Array(prefix[..<split]), body)
            try walk.run(directory, beginning: Array(prefix[split...]))
        }
    }
}

/// One scan over the directories that either view shows, with what is known of the name at hand.
private final class DifferenceWalk {
    private let reader: IndexReader
    private let old: View
    private let new: View
    private let body: (Difference) throws -> Bool
    private var path: [UInt8]
    private var cursors: [EntryCursor] = []
    private var lengths: [Int] = []
    private var spare: [EntryCursor] = []
    /// The file name whose rows are being read, and what each side shows of it so far.
    private var name: [UInt8] = []
    private var hasName = false
    private var from: VersionIdentity?
    private var to: VersionIdentity?
    private var directories: [Int64] = []
    /// The directory that was left last.
    private var visited: Int64 = 0

    init(
        _ reader: IndexReader, _ old: View, _ new: View, path: [UInt8], _ body: @escaping (Difference) throws -> Bool
    ) {
        self.reader = reader
        self.old = old
        self.new = new
        self.path = path
        self.body = body
    }

    func run(_ directory: Int64, beginning: [UInt8]) throws {
        try push(directory, from: beginning)
        while let cursor = cursors.last {
            guard try cursor.next(), cursors.count > 1 || cursor.row.name.hasPrefix(beginning) else {
                if try !emit() { return }
                pop(cursor)
                continue
            }
            let row = cursor.row
            if hasName, !name.withUnsafeBytes({ row.name.isEqual(to: $0) }) {
                if try !emit() { return }
            }
            let (isOld, isNew) = (old.shows(row, reader.timeline), new.shows(row, reader.timeline))
            guard isOld || isNew else { continue }
            if row.isDirectory {
                // A directory with several tenures has several rows; one visit is enough.
                let child = row.child
                if child != visited {
                    path.append(contentsOf: row.name)
                    try push(child, from: [])
                }
                try Interruption.check()
            } else {
                if !hasName {
                    name = Array(row.name)
                    hasName = true
                }
                if isOld { from = row.identity }
                if isNew { to = row.identity }
            }
        }
    }

    private func push(_ directory: Int64, from beginning: [UInt8]) throws {
        lengths.append(path.count)
        directories.append(directory)
        let cursor = try spare.popLast() ?? reader.cursor()
        cursor.seek(directory: directory, from: beginning)
        cursors.append(cursor)
    }

    private func pop(_ cursor: EntryCursor) {
        cursor.close()
        spare.append(cursor)
        cursors.removeLast()
        visited = directories.removeLast()
        lengths.removeLast()
        path.removeLast(path.count - (lengths.last ?? 0))
    }

    /// Reports the name at hand, if the sides differ in it. False: enough.
    private func emit() throws -> Bool {
        guard hasName else { return true }
        hasName = false
        defer {
            from = nil
            to = nil
        }
        let change: Difference.Change
        switch (from, to) {
        case (nil, _): change = .added
        case (_, nil): change = .removed
        default:
            if from == to { return true }
            change = .modified
        }
        return try body(Difference(change: change, key: path + name, from: from, to: to))
    }
}
