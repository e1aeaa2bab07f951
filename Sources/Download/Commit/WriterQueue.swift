import Basics
import Model

/// What the network's thread and the writer's thread tell each other.
final class WriterQueue: @unchecked Sendable {
    /// What there is to write.
    enum Item {
        case blob(CheckedContent)
        case headers(FetchRequest, ObjectHeaders, isComplete: Bool)
        case failure(FetchRequest, FetchFailure, reason: String)
    }

    /// What the writer gets.
    enum Received {
        case items([Item])
        case nothingInTime
        /// Nothing more will come.
        case closed
    }

    /// What the writer reports.
    struct News {
        /// Contents that have their names now.
        var visible: [ContentKey] = []
        /// There are new records.
        var hasRecords = false
        var hasEnded = false
        var error: (any Error)?
    }

    // Everything below the condition is only touched under its lock.
    private let changed = Condition()
    private var items: [Item] = []
    /// How many items end the writer's wait; 0: it is not waiting.
    private var awaited = 0
    private var isClosed = false
    private var wasFull = false
    private var news = News()
    private var hasNews = false
    private let limit: Int
    private static let gathered = 128
    private var onNews: (@Sendable () -> Void)?

    /// - Parameter limit: how many items make the queue full.
    init(limit: Int) {
        self.limit = limit
    }

    // MARK: - The network's thread

    /// Sets what the writer calls when there is room again, and when it ends.
    func notify(_ call: @escaping @Sendable () -> Void) {
        changed.withLock { onNews = call }
    }

    func send(_ item: sending Item) {
        changed.withLock {
            guard !news.hasEnded else { return }
            items.append(item)
            if awaited > 0, items.count >= awaited {
                awaited = 0
                changed.signal()
            }
        }
    }

    /// Whether nothing more should be added for now.
    var isFull: Bool {
        changed.withLock {
            wasFull = items.count >= limit && !news.hasEnded
            return wasFull
        }
    }

    /// What the writer has reported since the last call; nil: nothing.
    func takeNews() -> News? {
        changed.withLock {
            guard hasNews else { return nil }
            hasNews = false
            defer {
                news.visible = []
                news.hasRecords = false
            }
            return news
        }
    }

    /// Ends the queue, and waits until the writer has ended.
    func close() {
        changed.withLock {
            isClosed = true
            changed.broadcast()
            while !news.hasEnded { changed.wait() }
        }
    }

    // MARK: - The writer's thread

    /// Takes all items as soon as there are any.
    ///
    /// - Parameter deadline: milliseconds of the monotonic clock.
    func receive(until deadline: UInt64?) -> Received {
        changed.lock()
        defer { changed.unlock() }
        defer { awaited = 0 }
        if items.isEmpty, !isClosed {
            // Let a few gather while there is a steady flow: waking up for each would cost more than writing it.
            _ = wait(for: WriterQueue.gathered, until: MonotonicClock.milliseconds() + 5)
        }
        while items.isEmpty {
            if isClosed { return .closed }
            if !wait(for: 1, until: deadline), items.isEmpty, !isClosed { return .nothingInTime }
        }
        let taken = items
        items = []
        items.reserveCapacity(taken.count)
        if wasFull {
            wasFull = false
            onNews?()
        }
        return .items(taken)
    }

    /// Waits for `count` items or the end of the queue. Returns false when the time was up first.
    private func wait(for count: Int, until deadline: UInt64?) -> Bool {
        awaited = count
        while awaited > 0, !isClosed {
            guard let deadline else {
                changed.wait()
                continue
            }
            if !changed.wait(until: deadline) { return false }
        }
        return true
    }

    /// Reports new records, and contents that have their names now.
    func report(visible: [ContentKey]) {
        changed.withLock {
            news.visible += visible
            news.hasRecords = true
            hasNews = true
        }
    }

    /// The writer ends, with an error or nil.
    func end(_ error: (any Error)?) {
        changed.withLock {
            news.hasEnded = true
            news.error = error
            hasNews = true
            items = []
            changed.broadcast()
            onNews?()
        }
    }
}
