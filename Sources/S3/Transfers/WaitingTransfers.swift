import HeapModule

/// Transfers that wait for their next attempt, the earliest first.
struct WaitingTransfers {
    private struct Waiting: Comparable {
        let due: UInt64
        let transfer: Transfer

        static func < (left: Waiting, right: Waiting) -> Bool { left.due < right.due }
        static func == (left: Waiting, right: Waiting) -> Bool { left.due == right.due }
    }

    private var heap: Heap<Waiting> = []

    var count: Int { heap.count }
    var isEmpty: Bool { heap.isEmpty }
    /// When the first is due, in milliseconds of the monotonic clock.
    var nextDue: UInt64? { heap.min?.due }

    mutating func add(_ transfer: Transfer, due: UInt64) {
        heap.insert(Waiting(due: due, transfer: transfer))
    }

    /// The first, if it is due.
    mutating func takeDue(_ now: UInt64) -> Transfer? {
        guard let nextDue, nextDue <= now else { return nil }
        return heap.popMin()?.transfer
    }

    mutating func takeAll() -> [Transfer] {
        defer { heap = [] }
        return heap.unordered.map(\.transfer)
    }
}
