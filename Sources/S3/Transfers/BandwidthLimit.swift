/// A token bucket: a budget of bytes that refills over time.
struct BandwidthLimit {
    private let bytesPerSecond: Int64
    private var balance = 0.0
    private var filledAt: UInt64?

    init(bytesPerSecond: Int64) {
        self.bytesPerSecond = bytesPerSecond
    }

    /// The most bytes to read or send at a time on each of so many connections. All together, that is a small part of a
    /// second's worth, so that the rate is steady.
    func step(_ connections: Int) -> Int { Int(clamping: bytesPerSecond / 8) / max(1, connections) }

    /// The most bytes to wait for each of so many connections: all together, half a second's worth.
    func buffered(_ connections: Int) -> Int { Int(clamping: bytesPerSecond / 2) / max(1, connections) }

    mutating func spend(_ bytes: Int64) {
        balance -= Double(bytes)
    }

    /// Milliseconds to wait before reading more; nil for none.
    mutating func pause(_ now: UInt64) -> UInt64? {
        let elapsed = filledAt.map { now - $0 } ?? 0
        filledAt = now
        let rate = Double(bytesPerSecond) / 1000
        // No more than a tenth of a second's worth is saved up.
        balance = min(100 * rate, balance + rate * Double(elapsed))
        return balance < 0 ? UInt64(min(1000, -balance / rate)) + 1 : nil
    }
}
