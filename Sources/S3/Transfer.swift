/// One request and what becomes of its answer. Subclass it; the loop calls it on its own thread.
///
/// A transfer may be tried several times: `begin`, `body`… and `complete` belong to one attempt, `restart` throws an
/// attempt away, `finished` comes exactly once, at the very end.
open class Transfer {
    public private(set) var request: S3Request
    var progress = TransferProgress()

    public init(_ request: S3Request) {
        self.request = request
    }

    /// Supplies bytes of the request's body, from `offset` on, if ``S3Request/uploadLength`` announced one: how many,
    /// at least one. Each attempt begins with 0 again. An error thrown here ends the transfer with it.
    open func supply(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        throw S3Failure(.invalidRequest, message: "there is nothing to send")
    }

    /// A successful answer begins. An error thrown here, in ``body(_:)`` or in ``complete()`` ends the transfer with
    /// it, unless it is a passing ``S3Failure`` such as ``S3Failure/corrupt(_:)``: then the request is made again.
    open func begin(_ head: S3ResponseHead) throws {}

    /// The next bytes of the body; they are gone when this returns.
    open func body(_ bytes: UnsafeRawBufferPointer) throws {}

    /// The answer is complete: the time to compare a checksum.
    open func complete() throws {}

    /// The attempt failed after it had begun, and there may be another: throw away what arrived, or keep it and
    /// ``ask(for:)`` the rest.
    open func restart() {}

    /// Makes the next attempt ask for these bytes only, and expect as many. An attempt that has brought the range a good
    /// deal further costs none of those that a request has.
    public final func ask(for range: Range<Int64>) {
        if let old = request.range, old.count - range.count >= 65536 { progress.attempts -= 1 }
        request.range = range
        request.expectedLength = Int64(range.count)
    }

    /// The end: success, or an ``S3Failure``, or what the transfer itself threw. An error thrown here ends the loop.
    open func finished(_ result: Result<Void, any Error>) throws {}
}

/// What the loop remembers of a transfer between attempts.
struct TransferProgress {
    var attempts = 0
    var connectFailures = 0
    var redirects = 0
    var renewals = 0
    /// It was given up once because its answer did not begin.
    var wasSlow = false
    var wantsFreshConnection = false
    /// A region or a host that the server sent this transfer to.
    var region: String?
    var host: Endpoint?
}

/// What the loop is to do next.
public enum NextTransfer {
    case transfer(Transfer)
    /// Nothing now; ask again when a transfer has finished, or after ``TransferLoop/Wakeup/wake()``.
    case waiting
    /// There will be no more.
    case finished
}

/// Transfers that wait for their next attempt, the earliest first.
struct WaitingTransfers {
    private struct Entry {
        var due: UInt64
        var transfer: Transfer
    }

    private var heap: [Entry] = []

    var count: Int { heap.count }
    var isEmpty: Bool { heap.isEmpty }
    /// When the first may go on, in milliseconds of the monotonic clock.
    var nextDue: UInt64? { heap.first?.due }

    mutating func add(_ transfer: Transfer, due: UInt64) {
        heap.append(Entry(due: due, transfer: transfer))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].due <= heap[child].due { break }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    /// The first, if its time has come.
    mutating func takeDue(_ now: UInt64) -> Transfer? {
        guard let first = heap.first, first.due <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].due < heap[least].due
            {
                least = child
            }
            if least == parent { return first.transfer }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    mutating func takeAll() -> [Transfer] {
        defer { heap = [] }
        return heap.map(\.transfer)
    }
}
