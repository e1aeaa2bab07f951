import Basics

/// How often a bucket's inventories come, judging by those that were synced.
public struct InventoryRhythm: Sendable {
    /// Between two inventories, in milliseconds; nil: fewer than two are known.
    public let interval: Int64?
    private let newest: Timestamp?

    private static let day: Int64 = 86_400_000
    /// How many of the newest inventories count.
    private static let most = 10

    /// - Parameter takenAt: when they were taken, in any order.
    public init(_ takenAt: [Timestamp]) {
        let times = takenAt.map(\.milliseconds).sorted().suffix(Self.most)
        newest = times.last.map { Timestamp(milliseconds: $0) }
        let steps = zip(times.dropFirst(), times).map { $0.0.subtractingClamped($0.1) }.sorted()
        interval = steps.isEmpty ? nil : steps[steps.count / 2]
    }

    /// How old the newest is, in milliseconds, if that is older than three usual intervals and than three days. S3 makes
    /// inventories once a day or once a week.
    public func lateness(_ now: Timestamp = .now()) -> Int64? {
        guard let newest else { return nil }
        let age = now.milliseconds.subtractingClamped(newest.milliseconds)
        let (limit, isHuge) = max(Self.day, interval ?? 7 * Self.day).multipliedReportingOverflow(by: 3)
        return age > (isHuge ? .max : limit) ? age : nil
    }
}

extension Int64 {
    fileprivate func subtractingClamped(_ other: Int64) -> Int64 {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other > 0 ? .min : .max) : difference
    }
}
