// What a transfer loop knows about the world at large.

/// Whether the server can be reached at all.
struct Outage {
    private(set) var hasContact = false
    private var failures = 0
    private var since: UInt64?
    private var lastContact: UInt64 = 0

    /// An answer came.
    mutating func noteContact(_ now: UInt64) {
        hasContact = true
        lastContact = max(lastContact, now)
        failures = 0
        since = nil
    }

    /// A connection could not be made, after an attempt that began at `startedAt`.
    mutating func noteFailure(startedAt: UInt64) {
        failures += 1
        if since == nil { since = max(startedAt, lastContact) }
    }

    /// Several connections in a row could not be made: no time to begin anything new.
    var isSuspected: Bool { failures >= 3 }

    /// It has lasted long enough to be believed: a second for a server that was never seen, else fifteen.
    func isOver(_ now: UInt64) -> Bool {
        guard let since else { return false }
        return isSuspected && now >= since + (hasContact ? 15_000 : 1000)
    }
}

/// How long answers take to begin, and so how long is too long.
struct FirstByteLatency {
    private var count = 0
    private var mean = 0.0
    private var deviation = 0.0
    /// How many requests have been given up for being slow.
    var abandoned = 0

    mutating func add(_ milliseconds: UInt64) {
        let value = Double(milliseconds)
        count += 1
        if count == 1 { mean = value }
        deviation += (abs(value - mean) - deviation) / 16
        mean += (value - mean) / 16
    }

    /// Milliseconds after which a request is slow; nil while that cannot be said. Never many: a server that is
    /// slow because it has too much to do does not need more to do.
    func limit(requests: Int) -> UInt64? {
        guard count >= 20, abandoned <= requests / 50 + 1 else { return nil }
        return UInt64(max(3000, 4 * mean + 8 * deviation))
    }
}

/// A budget of bytes that refills with time.
struct BandwidthLimit {
    private let bytesPerSecond: Int64
    private var balance: Int64 = 0
    private var filledAt: UInt64 = 0

    init(bytesPerSecond: Int64) {
        self.bytesPerSecond = bytesPerSecond
    }

    mutating func spend(_ bytes: Int64) {
        balance -= bytes
    }

    /// Milliseconds to wait before reading more; nil: none.
    mutating func pause(_ now: UInt64) -> UInt64? {
        if filledAt == 0 { filledAt = now }
        // A second's worth at most per call: more would only overflow.
        let elapsed = min(now - filledAt, 1000)
        filledAt = now
        // What was not used in the last quarter of a second is lost.
        balance = min(bytesPerSecond / 4, balance + Int64(Double(bytesPerSecond) * Double(elapsed) / 1000))
        guard balance < 0 else { return nil }
        return UInt64(min(1000, Double(-balance) * 1000 / Double(bytesPerSecond))) + 1
    }
}
