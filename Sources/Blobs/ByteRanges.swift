/// A set of bytes of a content.
public typealias ByteRanges = RangeSet<Int64>

extension RangeSet<Int64> {
    /// The number of bytes in the set.
    public var count: Int64 {
        ranges.reduce(0) { $0 + Int64($1.count) }
    }

    /// Whether all bytes of a range are in the set.
    public func contains(_ range: Range<Int64>) -> Bool {
        range.isEmpty || end(from: range.lowerBound) >= range.upperBound
    }

    /// The end of the contiguous bytes from `offset` that are in the set; `offset` itself if that byte is not.
    public func end(from offset: Int64) -> Int64 {
        guard let range = firstRange(after: offset), range.lowerBound <= offset else { return offset }
        return range.upperBound
    }

    /// The first range within `window` that is not in the set; nil if all of it is.
    public func firstGap(in window: Range<Int64>) -> Range<Int64>? {
        let start = end(from: window.lowerBound)
        guard start < window.upperBound else { return nil }
        let end = firstRange(after: start)?.lowerBound ?? window.upperBound
        return start..<Swift.min(end, window.upperBound)
    }

    /// The first range with a byte at or after `offset`.
    private func firstRange(after offset: Int64) -> Range<Int64>? {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound > offset { high = middle } else { low = middle + 1 }
        }
        return low < ranges.count ? ranges[low] : nil
    }
}
