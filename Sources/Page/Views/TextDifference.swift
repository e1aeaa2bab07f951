import Basics

/// Two texts, line by line. Bounded: what is longer is cut, and what differs too much is not compared.
struct TextDifference {
    enum ComparedLine: Equatable {
        case same(String), removed(String), added(String)
        /// So many lines that are the same on both sides.
        case skipped(Int)
    }

    private static let mostLines = 4000
    private static let mostChanges = 1500
    /// So many lines around what differs.
    private static let around = 3

    /// Nil if there is too much to compare.
    static func lines(_ old: String, _ new: String) -> [ComparedLine]? {
        let (before, after) = (split(old), split(new))
        guard before.count <= mostLines, after.count <= mostLines else { return nil }
        // What is the same at both ends needs no comparison.
        var start = 0
        while start < min(before.count, after.count), before[start] == after[start] { start += 1 }
        var end = 0
        while end < min(before.count, after.count) - start,
            before[before.count - 1 - end] == after[after.count - 1 - end]
        { end += 1 }
        let (left, right) = (Array(before[start..<before.count - end]), Array(after[start..<after.count - end]))
        // Myers' algorithm takes as many steps as lines times changes.
        guard left.count + right.count <= mostChanges * 2 else { return nil }
        var removed: Set<Int> = []
        var added: Set<Int> = []
        for change in right.difference(from: left) {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): added.insert(offset)
            }
        }
        var lines = before[..<start].map { ComparedLine.same($0) }
        var (i, j) = (0, 0)
        while i < left.count || j < right.count {
            if removed.contains(i), i < left.count {
                lines.append(.removed(left[i]))
                i += 1
            } else if added.contains(j), j < right.count {
                lines.append(.added(right[j]))
                j += 1
            } else {
                guard i < left.count, j < right.count else { break }
                lines.append(.same(left[i]))
                i += 1
                j += 1
            }
        }
        lines += before[(before.count - end)...].map { ComparedLine.same($0) }
        return folded(lines)
    }

    private static func split(_ text: String) -> [String] {
        // By scalars: a line break and a carriage return are one character.
        var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    /// Leaves out what is the same and far from what is not.
    private static func folded(_ lines: [ComparedLine]) -> [ComparedLine] {
        var isNear = [Bool](repeating: false, count: lines.count)
        for (place, line) in lines.enumerated() {
            if case .same = line { continue }
            for near in max(0, place - around)...min(lines.count - 1, place + around) { isNear[near] = true }
        }
        var result: [ComparedLine] = []
        var skipped = 0
        for (place, line) in lines.enumerated() {
            if isNear[place] {
                if skipped > 0 { result.append(.skipped(skipped)) }
                skipped = 0
                result.append(line)
            } else {
                skipped += 1
            }
        }
        if skipped > 0 { result.append(.skipped(skipped)) }
        return result
    }
}
