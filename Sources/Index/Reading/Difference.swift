import Basics
import Model

/// A key in which two views differ.
public struct Difference: Sendable {
    public enum Change: String, Sendable {
        case added, removed, modified
    }

    public var change: Change
    public var key: [UInt8]
    /// What each side shows; nil if it does not show the key.
    public var from: VersionIdentity?
    public var to: VersionIdentity?

    public init(change: Change, key: [UInt8], from: VersionIdentity?, to: VersionIdentity?) {
        self.change = change
        self.key = key
        self.from = from
        self.to = to
    }
}

extension IndexReader {
    /// Compares two views, in the byte order of keys, in one scan and without keeping either side in memory.
    ///
    /// - Parameters:
    ///   - prefix: any string of bytes; it need not end with `/`.
    ///   - body: returns false to stop.
    public func differences(
        from old: View, to new: View, prefix: [UInt8], _ body: (Difference) throws -> Bool
    ) throws {
        let (parent, beginning) = Key.split(prefix)
        guard let directory = try directory(prefix: parent) else { return }
        let walk = try TreeWalk(self, directory, path: Array(parent), beginning: Array(beginning))
        var name = DifferingName()
        while let step = try walk.next() {
            guard step == .row else {
                if let difference = name.take(in: walk.path), try !body(difference) { return }
                continue
            }
            let row = walk.row
            if !name.isName(of: row), let difference = name.take(in: walk.path), try !body(difference) { return }
            let (isOld, isNew) = (old.shows(row, timeline), new.shows(row, timeline))
            guard isOld || isNew else { continue }
            if row.isDirectory {
                if !walk.hasVisitedDirectory { try walk.descend() }
                try Interruption.check()
            } else {
                name.add(row, isOld: isOld, isNew: isNew)
            }
        }
    }
}

/// The file name whose rows are being read, and what each side shows of it so far.
private struct DifferingName {
    private var name: [UInt8]?
    private var from: VersionIdentity?
    private var to: VersionIdentity?

    /// Whether the rows so far, if any, have the row's name.
    func isName(of row: EntryRow) -> Bool {
        guard let name else { return true }
        return name.withUnsafeBytes { row.name.isEqual(to: $0) }
    }

    mutating func add(_ row: borrowing EntryRow, isOld: Bool, isNew: Bool) {
        if name == nil { name = Array(row.name) }
        if isOld { from = row.identity }
        if isNew { to = row.identity }
    }

    /// Returns the difference between the sides, if any, and clears the name.
    mutating func take(in path: [UInt8]) -> Difference? {
        guard let name else { return nil }
        defer { self = DifferingName() }
        let change: Difference.Change
        switch (from, to) {
        case (nil, _): change = .added
        case (_, nil): change = .removed
        default:
            if from == to { return nil }
            change = .modified
        }
        return Difference(change: change, key: path + name, from: from, to: to)
    }
}
