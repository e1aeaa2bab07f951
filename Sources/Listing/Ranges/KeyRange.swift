/// A stretch of the key space.
struct KeyRange: Hashable, Sendable {
    /// Its keys come after this one; empty: it begins with the first key.
    var lower: [UInt8]
    /// Its last key, whether there is such a key or not; nil: it has no end.
    var upper: [UInt8]?

    static let everything = KeyRange(lower: [], upper: nil)

    /// Whether no key can be in it.
    var isEmpty: Bool {
        guard let upper else { return false }
        return !lower.lexicographicallyPrecedes(upper)
    }

    /// What is in no one of these ranges.
    static func gaps(between ranges: [KeyRange]) -> [KeyRange] {
        var gaps: [KeyRange] = []
        var reached: [UInt8] = []
        for range in ranges.sorted(by: { $0.lower.lexicographicallyPrecedes($1.lower) }) {
            let gap = KeyRange(lower: reached, upper: range.lower)
            if !gap.isEmpty { gaps.append(gap) }
            guard let upper = range.upper else { return gaps }
            if reached.lexicographicallyPrecedes(upper) { reached = upper }
        }
        return gaps + [KeyRange(lower: reached, upper: nil)]
    }

    /// The range, cut after each of these keys that is in it.
    ///
    /// - Parameter keys: in order.
    func cut(after keys: [[UInt8]]) -> [KeyRange] {
        var pieces: [KeyRange] = []
        var rest = self
        for key in keys where rest.lower.lexicographicallyPrecedes(key) {
            if let upper, !key.lexicographicallyPrecedes(upper) { break }
            pieces.append(KeyRange(lower: rest.lower, upper: key))
            rest.lower = key
        }
        return pieces + [rest]
    }
}
