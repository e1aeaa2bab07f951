import Basics

/// How long a scan may take: what it has found until then is given back, and is said to be incomplete.
public struct ScanLimit: Sendable {
    /// By ``MonotonicClock``; nil: as long as it takes.
    let deadline: Int64?

    /// As long as it takes.
    public static let none = ScanLimit(deadline: nil)

    /// So many milliseconds from now on.
    public static func milliseconds(_ count: Int64) -> ScanLimit {
        ScanLimit(deadline: Int64(MonotonicClock.milliseconds()) + count)
    }

    private init(deadline: Int64?) {
        self.deadline = deadline
    }

    /// Whether the time is over.
    public var isOver: Bool {
        deadline.map { Int64(MonotonicClock.milliseconds()) >= $0 } ?? false
    }
}
