import Basics
import Index
import Model

extension IndexReader {
    /// Sums up what a view shows below each folder, in one scan.
    ///
    /// - Parameters:
    ///   - prefix: any string of bytes; it need not end with `/`.
    ///   - depth: folders with at most so many further `/` behind the prefix are passed on; nil: all.
    ///   - body: gets the prefix of a folder, behind all folders in it, and last of all `prefix` itself, whatever is
    ///     there; returns false to stop. When the time is over, it gets nothing more.
    /// - Returns: false if the time was over before everything was summed up.
    @discardableResult
    public func folderSums(
        prefix: [UInt8], _ view: View, depth: Int? = nil, limit: ScanLimit = .none,
        _ body: ([UInt8], FolderSum) throws -> Bool
    ) throws -> Bool {
        try withoutActuallyEscaping(body) { body in
            var visitor = SumVisitor(view: view, timeline: timeline, depth: depth ?? .max, body: body)
            guard try RowScan.run(self, prefix: prefix, limit: limit, isBrief: true, &visitor) else { return false }
            if !visitor.isStopped { _ = try body(prefix, visitor.levels[0]) }
            return true
        }
    }
}

private struct SumVisitor: RowVisitor {
    let view: View
    let timeline: Timeline
    let depth: Int
    let body: ([UInt8], FolderSum) throws -> Bool
    /// Of each folder on the way down.
    var levels = [FolderSum()]
    var isStopped = false

    @inline(__always)
    mutating func enters(_ row: borrowing EntryRow) -> Bool { view.shows(row, timeline) }

    @inline(__always)
    mutating func visit(_ row: borrowing EntryRow, in path: [UInt8]) -> Bool {
        if view.shows(row, timeline) { levels[levels.count - 1].add(row.size) }
        return true
    }

    mutating func begin() -> Bool {
        levels.append(FolderSum())
        return true
    }

    mutating func end(_ path: [UInt8], depth: Int) throws -> Bool {
        guard depth > 0 else { return true }
        let sum = levels.removeLast()
        levels[levels.count - 1].add(sum)
        if depth <= self.depth, try !body(path, sum) {
            isStopped = true
            return false
        }
        return true
    }
}
