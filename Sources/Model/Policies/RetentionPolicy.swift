import Basics

/// Which snapshots a prune keeps: those matched by any rule, and always the newest.
public struct RetentionPolicy: Sendable {
    /// Everything within this many milliseconds before the newest snapshot.
    public var within: Int64?
    /// This many of the newest snapshots.
    public var last = 0
    /// The newest snapshot of each of the last this many days, weeks, months and years that have any.
    public var daily = 0
    public var weekly = 0
    public var monthly = 0
    public var yearly = 0

    public init() {}

    /// Whether no rule is set.
    public var isEmpty: Bool {
        within == nil && [last, daily, weekly, monthly, yearly].allSatisfy { $0 == 0 }
    }

    /// The time since which every instant is kept: `within` before the newest snapshot, or that snapshot's own time.
    package func horizon(_ newest: Timeline.Point) -> Timestamp {
        let (time, overflow) = newest.takenAt.milliseconds.subtractingReportingOverflow(within ?? 0)
        return overflow ? .distantPast : Timestamp(milliseconds: time)
    }

    /// The ids of the snapshots to keep.
    ///
    /// - Parameter points: in order; none of them is pruned.
    package func kept(_ points: [Timeline.Point]) -> Set<Int64> {
        guard let newest = points.last else { return [] }
        let horizon = horizon(newest)
        var kept: Set<Int64> = [newest.id]
        for point in points where point.takenAt >= horizon { kept.insert(point.id) }
        kept.formUnion(points.suffix(last).map(\.id))
        let periods: [(count: Int, of: (Timestamp) -> Int64)] = [
            (daily, RetentionPolicy.day), (weekly, { (RetentionPolicy.day($0) + 3).flooredQuotient(7) }),
            (monthly, { Int64($0.civil.year * 12 + $0.civil.month) }), (yearly, { Int64($0.civil.year) }),
        ]
        for (count, period) in periods {
            var left = count
            var previous: Int64?
            for point in points.reversed() where left > 0 {
                let current = period(point.takenAt)
                if current == previous { continue }
                previous = current
                kept.insert(point.id)
                left -= 1
            }
        }
        return kept
    }

    /// Days since 1970-01-01, a Thursday; ISO 8601 weeks begin on Monday.
    private static func day(_ time: Timestamp) -> Int64 {
        time.milliseconds.flooredQuotient(86_400_000)
    }
}

extension Int64 {
    /// The quotient rounded towards −∞.
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
