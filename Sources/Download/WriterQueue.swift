import Basics
import Model

/// What the thread of the network and the thread that writes tell each other.
final class WriterQueue: @unchecked Sendable {
    /// What there is to write.
    enum Item {
        case blob(BlobBatch.Finished)
        case failure(Want, isGone: Bool, reason: String)
    }

    /// What the writer finds when it asks.
    enum Received {
        case items([Item])
        case nothingInTime
        /// There will be no more.
        case closed
    }

    /// What the writer has to say.
    struct News {
        /// Contents that the store shows now.
        var visible: [ContentName] = []
        var hasEnded = false
        var error: (any Error)?
    }

    // Everything below the condition is only touched under its lock.
    private let changed = Condition()
    private var items: [Item] = []
    /// How many items end the writer's wait; 0: it does not wait.
    private var awaited = 0
    private var isClosed = false
    private var wasFull = false
    private var news = News()
    private var hasNews = false
    private let limit: Int
    private static let gathered = 128
    private var onNews: (@Sendable () -> Void)?

    /// - Parameter limit: how many items may wait before the queue calls itself full.
    init(limit: Int) {
        self.limit = limit
    }

    // MARK: - The thread of the network

    /// Called by the writer when there is news, or room again.
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

    /// Whether so much waits that nothing should be added for now.
    var isFull: Bool {
        changed.withLock {
            wasFull = items.count >= limit && !news.hasEnded
            return wasFull
        }
    }

    /// What the writer has said since the last time; nil: nothing.
    func takeNews() -> News? {
        changed.withLock {
            guard hasNews else { return nil }
            hasNews = false
            defer { news.visible = [] }
            return news
        }
    }

    /// No more items; waits until the writer has ended.
    func close() {
        changed.withLock {
            isClosed = true
            changed.broadcast()
            while !news.hasEnded { changed.wait() }
        }
    }

    // MARK: - The thread that writes

    /// Takes all that waits, once there is something.
    ///
    /// - Parameter deadline: milliseconds of the monotonic clock.
    func receive(until deadline: UInt64?) -> Received {
        changed.lock()
        defer { changed.unlock() }
        defer { awaited = 0 }
        if items.isEmpty, !isClosed {
            // While there is a steady flow, a few gather: a wake-up for each would cost more than to write it.
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

    /// Waits for so many items, or the end of all; false: in vain.
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

    func report(visible: [ContentName]) {
        changed.withLock {
            news.visible += visible
            hasNews = true
        }
    }

    /// The writer's last word.
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
