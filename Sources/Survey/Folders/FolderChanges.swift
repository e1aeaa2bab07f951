import Basics
import Index
import Model

extension IndexReader {
    /// Compares two views below a folder, in one scan.
    ///
    /// - Parameters:
    ///   - prefix: ends with `/`, or is empty.
    ///   - depth: how far below the prefix folders are told apart; counts are of everything in any case.
    ///   - nodes: the most keys and folders that are told apart.
    /// - Returns: the folder of the prefix, and false if the time was over before everything was compared.
    public func changes(
        below prefix: [UInt8], from old: View, to new: View, depth: Int, nodes: Int, limit: ScanLimit = .none
    ) throws -> (folder: ChangedFolder, isComplete: Bool) {
        var visitor = ChangeVisitor(old: old, new: new, timeline: timeline, depth: depth, nodes: nodes, prefix)
        let isComplete = try RowScan.run(self, prefix: prefix, limit: limit, &visitor)
        return (visitor.result(), isComplete)
    }
}

private struct ChangeVisitor: RowVisitor {
    let old: View
    let new: View
    let timeline: Timeline
    let depth: Int
    /// How many more may be told apart.
    var nodes: Int
    /// On the way down. The prefix of those that are not told apart is not kept.
    var levels: [ChangedFolder]
    /// The key whose rows are being read.
    var name: [UInt8] = []
    var path: [UInt8] = []
    var isNamed = false
    var from: VersionIdentity?
    var to: VersionIdentity?

    init(old: View, new: View, timeline: Timeline, depth: Int, nodes: Int, _ prefix: [UInt8]) {
        self.old = old
        self.new = new
        self.timeline = timeline
        self.depth = depth
        self.nodes = nodes
        levels = [ChangedFolder(prefix)]
    }

    @inline(__always)
    mutating func enters(_ row: borrowing EntryRow) -> Bool {
        let isOld = old.shows(row, timeline)
        return isOld ? true : new.shows(row, timeline)
    }

    @inline(__always)
    mutating func visit(_ row: borrowing EntryRow, in path: [UInt8]) throws -> Bool {
        let (isOld, isNew) = (old.shows(row, timeline), new.shows(row, timeline))
        if !isOld, !isNew { return true }
        let top = levels.count - 1
        if isOld { levels[top].change.old.add(row.size) }
        if isNew { levels[top].change.new.add(row.size) }
        // One row that both show: nothing has changed, and no other row of the key is shown.
        if isOld, isNew { return true }
        let rowName = row.name
        if !isNamed || !name.withUnsafeBytes({ rowName.isEqual(to: $0) }) {
            take()
            isNamed = true
            name.removeAll(keepingCapacity: true)
            name.append(contentsOf: rowName)
            self.path = path
        }
        if isOld { from = row.identity } else { to = row.identity }
        return true
    }

    mutating func begin() -> Bool {
        take()
        levels.append(ChangedFolder([]))
        return true
    }

    mutating func end(_ path: [UInt8], depth: Int) -> Bool {
        take()
        guard depth > 0 else { return true }
        var folder = levels.removeLast()
        let top = levels.count - 1
        levels[top].change.add(folder.change)
        guard folder.change.count > 0, depth <= self.depth, nodes > 0 else { return true }
        nodes -= 1
        folder.prefix = path
        levels[top].folders.append(folder)
        return true
    }

    /// Counts what was gathered of the last key.
    private mutating func take() {
        guard isNamed else { return }
        defer { (isNamed, from, to) = (false, nil, nil) }
        // Two tenures of one version are the same version.
        if from == to { return }
        let top = levels.count - 1
        let change: Difference.Change
        if let to, from != nil {
            change = .modified
            levels[top].change.modified.add(to.size)
        } else if let to {
            change = .added
            levels[top].change.added.add(to.size)
        } else {
            change = .removed
            levels[top].change.removed.add(from?.size ?? 0)
        }
        guard top <= depth, nodes > 0 else { return }
        nodes -= 1
        levels[top].keys.append(Difference(change: change, key: path + name, from: from, to: to))
    }

    /// What was found; folders that were not left yet when the time was over count, too.
    mutating func result() -> ChangedFolder {
        take()
        while levels.count > 1 {
            let folder = levels.removeLast()
            levels[levels.count - 1].change.add(folder.change)
        }
        return levels[0]
    }
}
