import DequeModule

/// A bounded queue between threads: whichever side is ahead waits.
public final class Channel<Element>: @unchecked Sendable {
    // Guarded by the condition's lock.
    private var elements: Deque<Element> = []
    private var isClosed = false
    private let changed = Condition()
    private let limit: Int

    /// - Parameter limit: how many elements may wait.
    public init(limit: Int) {
        self.limit = limit
    }

    /// Adds an element, once there is room. False: the channel is closed, and the element was not taken.
    @discardableResult
    public func send(_ element: sending Element) -> Bool {
        changed.lock()
        defer { changed.unlock() }
        while elements.count >= limit, !isClosed { changed.wait() }
        if isClosed { return false }
        elements.append(element)
        changed.broadcast()
        return true
    }

    /// Takes the oldest element, once there is one. Nil: the channel is closed and empty.
    public func receive() -> Element? {
        changed.lock()
        defer { changed.unlock() }
        while elements.isEmpty, !isClosed { changed.wait() }
        return takeFirst()
    }

    /// Takes the oldest element, once there is one. Nil: the time was up before, or the channel is closed and empty.
    ///
    /// - Parameter deadline: in milliseconds of the ``MonotonicClock``.
    public func receive(until deadline: UInt64) -> Element? {
        changed.lock()
        defer { changed.unlock() }
        while elements.isEmpty, !isClosed, changed.wait(until: deadline) {}
        return takeFirst()
    }

    /// Takes the oldest element, if there is one.
    public func receiveNow() -> Element? {
        changed.lock()
        defer { changed.unlock() }
        return takeFirst()
    }

    private func takeFirst() -> Element? {
        guard let element = elements.popFirst() else { return nil }
        changed.broadcast()
        return element
    }

    /// Ends the channel and wakes everyone who waits; what was sent before can still be received.
    public func close() {
        changed.lock()
        isClosed = true
        changed.broadcast()
        changed.unlock()
    }
}
