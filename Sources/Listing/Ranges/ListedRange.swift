import S3

/// A range while it is listed, page by page.
final class ListedRange {
    enum State {
        /// Its next page has not been asked for.
        case idle
        /// It waits for an answer.
        case busy
        case done
    }

    let id: Int
    let lower: [UInt8]
    /// Moves forward when the range is split.
    var upper: [UInt8]?
    var state = State.idle
    /// Where the next page begins.
    var marker: S3ListingMarker
    /// What that page is to repeat; nil if nothing is.
    var seam: PageSeam?
    /// The last key that was listed again because a page began it anew.
    var restarted: [UInt8]?
    /// How many rows it should have, if somebody knows.
    var expected: Int?

    // What has been listed.
    /// The last key that was seen; `lower` at first.
    private(set) var cursor: [UInt8]
    private(set) var firstKey: [UInt8]?
    private(set) var rows = 0
    /// A page of it has come.
    private(set) var isStarted = false

    // What is known for the next split.
    var variation: Int?
    private(set) var common: Int?
    /// Splits that found nothing behind the cut, since the last that found something.
    var fruitless = 0
    private(set) var pagesSinceSplit = 0
    /// Whether the first page behind its last cut has yet to come.
    var isProbed = false
    /// The range that it was cut from, until its first page has come.
    weak var origin: ListedRange?

    init(id: Int, _ range: KeyRange, expected: Int? = nil) {
        self.id = id
        self.expected = expected
        lower = range.lower
        upper = range.upper
        cursor = range.lower
        marker = S3ListingMarker(after: range.lower)
    }

    /// Takes note of a page.
    ///
    /// - Parameters:
    ///   - first: the first key of the range in it; nil if it has none.
    ///   - last: the last key of the page, in the range or not.
    func note(rows: Int, first: [UInt8]?, last: [UInt8]?) {
        isStarted = true
        pagesSinceSplit += 1
        self.rows += rows
        guard let first, let last else { return }
        if firstKey == nil { firstKey = first }
        common = SplitPoint.common(first, last)
        if cursor.lexicographicallyPrecedes(last) { cursor = last }
    }

    func noteSplit() {
        isProbed = true
        pagesSinceSplit = 0
    }

    /// About how many rows are left.
    func estimate(_ alphabet: KeyAlphabet) -> Double {
        if let expected { return max(Double(expected - rows), rows > expected ? 2000 : 0) }
        guard let firstKey, let upper else { return Double(max(rows, 1000)) * 16 }
        let depth = SplitPoint.common(firstKey, upper)
        let (from, to) = (alphabet.place(of: firstKey, from: depth), alphabet.place(of: upper, from: depth))
        guard to > from else { return Double(rows) }
        let done = (alphabet.place(of: cursor, from: depth) - from) / (to - from)
        return Double(rows) * (1 - min(1, done)) / max(done, 0.001)
    }
}
