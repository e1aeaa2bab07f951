/// A token bucket: a budget of bytes that refills over time.
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

    /// Milliseconds to wait before reading more; nil for none.
    mutating func pause(_ now: UInt64) -> UInt64? {
        if filledAt == 0 { filledAt = now }
        // At most a second's worth per call: more would only overflow.
        let elapsed = min(now - filledAt, 1000)
        filledAt = now
        // No more than a quarter of a second's worth is saved up.
        balance = min(bytesPerSecond / 4, balance + Int64(Double(bytesPerSecond) * Double(elapsed) / 1000))
        guard balance < 0 else { return nil }
        return UInt64(min(1000, Double(-balance) * 1000 / Double(bytesPerSecond))) + 1
    }
}
