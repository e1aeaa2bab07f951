import Basics

/// Takes away what a failure does not need, as delta debugging does (Zeller and Hildebrandt 2002), within so many tries and
/// so much time.
public struct Shrinker {
    public private(set) var tries = 0
    private let mostTries: Int
    private let deadline: UInt64

    public init(tries: Int, seconds: Double) {
        mostTries = tries
        deadline = MonotonicClock.milliseconds() + UInt64(seconds * 1000)
    }

    public var isExhausted: Bool { tries >= mostTries || MonotonicClock.milliseconds() >= deadline }

    /// Whether something still fails; once exhausted, nothing does. An error is another failure, and does not count.
    public mutating func fails(_ attempt: () throws -> Bool) -> Bool {
        guard !isExhausted else { return false }
        tries += 1
        return (try? attempt()) ?? false
    }

    /// The elements without those, single or neighbours, without which it still fails.
    public mutating func fewest<Element>(_ elements: [Element], _ fails: ([Element]) throws -> Bool) -> [Element] {
        var left = elements
        var length = max(1, left.count / 2)
        while !left.isEmpty, !isExhausted {
            var isSmaller = false
            var end = left.count
            while end > 0 {
                let start = max(0, end - length)
                let rest = Array(left[..<start] + left[end...])
                if self.fails({ try fails(rest) }) {
                    left = rest
                    isSmaller = true
                }
                end = start
            }
            if length == 1, !isSmaller { break }
            length = max(1, length / 2)
        }
        return left
    }
}
