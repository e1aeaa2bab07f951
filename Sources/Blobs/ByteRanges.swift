/// A set of bytes of a content.
public typealias ByteRanges = RangeSet<Int64>

extension RangeSet<Int64> {
    /// How many bytes the set holds.
    public var count: Int64 {
        ranges.reduce(0) { $0 + Int64($1.count) }
    }

    /// Whether all bytes of a range are in the set.
    public func contains(_ range: Range<Int64>) -> Bool {
        range.isEmpty || end(from: range.lowerBound) >= range.upperBound
    }

    /// Where the bytes that are in the set from `offset` on end; `offset` itself where that byte is not in it.
    public func end(from offset: Int64) -> Int64 {
        guard let range = firstRange(after: offset), range.lowerBound <= offset else { return offset }
        return range.upperBound
    }

    /// The first range within `window` that is not in the set; nil where all of it is.
    public func firstGap(in window: Range<Int64>) -> Range<Int64>? {
        let start = end(from: window.lowerBound)
        guard start < window.upperBound else { return nil }
        let end = firstRange(after: start)?.lowerBound ?? window.upperBound
        return start..<Swift.min(end, window.upperBound)
    }

    /// The first range with a byte at `offset` or behind it.
    private func firstRange(after offset: Int64) -> Range<Int64>? {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound > offset { high = middle } else { low = middle + 1 }
        }
        return low < ranges.count ? ranges[low] : nil
    }
}
