/// Sets of numbers as intervals: ordered, non-empty, not touching.
///
/// Nearly all hold one or two. The standard library's `RangeSet`, whose methods are not specialised for them, takes
/// 15 times as long for ``setting(_:_:next:)`` and 10 times as long for a union or difference, which a merge computes
/// for each changed key.
extension Array {
    /// Whether the set holds `value`.
    public func contains<Bound>(_ value: Bound) -> Bool where Element == Interval<Bound> {
        contains { (interval: Interval<Bound>) in interval.contains(value) }
    }

    /// The largest number in both sets, which may lie in an open end beyond what is known; nil if none.
    ///
    /// For ranks: an open interval extends to every future inventory, so two open ends have `.max - 1` in common.
    /// Two such results compare correctly, because an inventory marks at most one of two versions latest.
    func lastCommon<Bound>(_ other: [Interval<Bound>]) -> Bound? where Element == Interval<Bound> {
        var mine = count - 1
        var theirs = other.count - 1
        while mine >= 0, theirs >= 0 {
            let low = Swift.max(self[mine].from, other[theirs].from)
            let high = Swift.min(self[mine].to, other[theirs].to)
            if low < high { return high - 1 }
            if self[mine].from >= other[theirs].from { mine -= 1 } else { theirs -= 1 }
        }
        return nil
    }

    /// The largest number of the set below `bound`; nil if none.
    func last<Bound>(before bound: Bound) -> Bound? where Element == Interval<Bound> {
        guard let interval = last(where: { $0.from < bound }) else { return nil }
        return Swift.min(interval.to, bound) - 1
    }

    /// The numbers of the set that are not in `other`.
    func subtracting<Bound>(_ other: [Interval<Bound>]) -> [Interval<Bound>] where Element == Interval<Bound> {
        var result: [Interval<Bound>] = []
        // The holes before this index end before all remaining intervals.
        var first = 0
        for interval in self {
            var from = interval.from
            while first < other.count, other[first].to <= from { first += 1 }
            var index = first
            while index < other.count, other[index].from < interval.to {
                if from < other[index].from { result.append(Interval(from, other[index].from)) }
                from = Swift.max(from, other[index].to)
                index += 1
            }
            if from < interval.to { result.append(Interval(from, interval.to)) }
        }
        return result
    }

    /// The numbers of both sets.
    func union<Bound>(_ other: [Interval<Bound>]) -> [Interval<Bound>] where Element == Interval<Bound> {
        if isEmpty { return other }
        if other.isEmpty { return self }
        return (self + other).normalized()
    }

    /// Any intervals as a set: sorted, without empty ones, overlapping and touching ones joined.
    package func normalized<Bound>() -> [Interval<Bound>] where Element == Interval<Bound> {
        var result: [Interval<Bound>] = []
        for interval in sorted(by: { $0.from < $1.from }) where interval.from < interval.to {
            if let last = result.last, interval.from <= last.to {
                result[result.count - 1].to = Swift.max(last.to, interval.to)
            } else {
                result.append(interval)
            }
        }
        return result
    }

    /// A set of ranks with one rank added or removed: how the intervals of a version change when an inventory at `rank`
    /// is synced that does or does not list it (or mark it latest).
    ///
    /// - Parameter next: the rank after it; `.max` for the newest, because what the newest inventory says still holds.
    package func setting(_ rank: Timeline.Rank, _ isIn: Bool, next: Timeline.Rank) -> [RankInterval]
    where Element == RankInterval {
        if contains(rank) == isIn { return self }
        return isIn
            ? union([RankInterval(rank, next)])
            : subtracting([RankInterval(rank, next)])
    }
}
