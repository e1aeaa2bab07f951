/// A set of bytes of a content, as ranges: in order, not empty, not touching each other.
public struct ByteRanges: Sendable, Equatable {
    public private(set) var ranges: [Range<Int64>] = []
    /// How many bytes the set holds.
    public private(set) var count: Int64 = 0

    public init() {}

    /// Adds a range.
    public mutating func insert(_ range: Range<Int64>) {
        guard !range.isEmpty else { return }
        // All from `first` on end at or behind the new one's begin; all before `end` begin at or before its end.
        let first = index { $0.upperBound >= range.lowerBound }
        let end = index { $0.lowerBound > range.upperBound }
        var joined = range
        for old in ranges[first..<end] {
            joined = min(joined.lowerBound, old.lowerBound)..<max(joined.upperBound, old.upperBound)
            count -= Int64(old.count)
        }
        count += Int64(joined.count)
        ranges.replaceSubrange(first..<end, with: [joined])
    }

    /// Takes a range away.
    public mutating func remove(_ range: Range<Int64>) {
        guard !range.isEmpty else { return }
        let first = index { $0.upperBound > range.lowerBound }
        let end = index { $0.lowerBound >= range.upperBound }
        guard first < end else { return }
        var left: [Range<Int64>] = []
        for old in ranges[first..<end] {
            count -= Int64(old.count)
            for (from, to) in [(old.lowerBound, range.lowerBound), (range.upperBound, old.upperBound)] where from < to {
                left.append(from..<to)
                count += to - from
            }
        }
        ranges.replaceSubrange(first..<end, with: left)
    }

    /// Where the bytes that are in the set from `offset` on end; `offset` itself where that byte is not in it.
    public func end(from offset: Int64) -> Int64 {
        let place = index { $0.upperBound > offset }
        guard place < ranges.count, ranges[place].lowerBound <= offset else { return offset }
        return ranges[place].upperBound
    }

    /// The first range within `window` that is not in the set; nil where all of it is.
    public func firstGap(in window: Range<Int64>) -> Range<Int64>? {
        let start = end(from: window.lowerBound)
        guard start < window.upperBound else { return nil }
        let next = index { $0.lowerBound > start }
        let end = next < ranges.count ? ranges[next].lowerBound : window.upperBound
        return start..<min(end, window.upperBound)
    }

    /// Whether all bytes of a range are in the set.
    public func contains(_ range: Range<Int64>) -> Bool {
        range.isEmpty || end(from: range.lowerBound) >= range.upperBound
    }

    /// The place of the first range that fulfils a condition which all ranges behind it fulfil too.
    private func index(where isBehind: (Range<Int64>) -> Bool) -> Int {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if isBehind(ranges[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
