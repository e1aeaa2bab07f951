/// How long answers take to begin, and from that, how long is too long.
struct FirstByteLatency {
    private var count = 0
    private var mean = 0.0
    private var deviation = 0.0
    /// How many requests have been abandoned for being slow.
    var abandoned = 0

    mutating func add(_ milliseconds: UInt64) {
        let value = Double(milliseconds)
        count += 1
        if count == 1 { mean = value }
        deviation += (abs(value - mean) - deviation) / 16
        mean += (value - mean) / 16
    }

    /// Milliseconds after which a request counts as slow; nil as long as that is unknown, or once many requests were
    /// slow: an overloaded server must not get even more to do.
    func limit(requests: Int) -> UInt64? {
        guard count >= 20, abandoned <= requests / 50 + 1 else { return nil }
        return UInt64(max(3000, 4 * mean + 8 * deviation))
    }
}
