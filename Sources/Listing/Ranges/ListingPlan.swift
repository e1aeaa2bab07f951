import S3

/// Which range is asked next, and when one is split.
///
/// Ranges that are known to be of use come first. Where fewer of them wait for an answer than may, the busiest is cut in
/// the middle, and the first page behind the cut is asked for. Each cut can cost a request that finds nothing new, so
/// there is a budget: the whole listing makes no more than 1.3 requests for each page that it fills, and 200.
final class ListingPlan {
    private(set) var ranges: [ListedRange] = []
    private var nextID = 0
    private(set) var alphabet = KeyAlphabet()
    /// Pages that were asked for, retries left out.
    private(set) var requests = 0
    private(set) var rows = 0
    private var largestPage = 1
    private var splits = 0

    /// A listing has no more files than a manifest may name.
    private static let mostSplits = 20_000

    /// - Parameters:
    ///   - gaps: what is to be listed.
    ///   - keys: keys of the bucket at even distances, in order; may be empty.
    ///   - expected: how many rows are between two of these, if somebody knows.
    init(_ gaps: [KeyRange], keys: [[UInt8]], expected: Int?) {
        for key in keys { alphabet.note(key) }
        for gap in gaps {
            let pieces = gap.cut(after: keys)
            for piece in pieces { add(piece, expected: pieces.count > 1 ? expected : nil) }
        }
    }

    @discardableResult
    private func add(_ range: KeyRange, expected: Int? = nil) -> ListedRange {
        let added = ListedRange(id: nextID, range, expected: expected)
        nextID += 1
        ranges.append(added)
        return added
    }

    var isFinished: Bool { ranges.isEmpty }

    /// The range whose next page is to be asked for now; nil if all wait for answers.
    func next() -> ListedRange? {
        let idle = ranges.first { $0.state == .idle && $0.isStarted } ?? ranges.first { $0.state == .idle }
        guard let range = idle ?? split() else { return nil }
        range.state = .busy
        requests += 1
        return range
    }

    /// Takes note of requests that a key needed which had changed.
    func noteExtraRequest() {
        requests += 1
    }

    /// Takes note of a page.
    ///
    /// - Parameters:
    ///   - first: the first key of the range in it; nil if it has none.
    ///   - last: the last key of the page, in the range or not.
    ///   - pageRows: the rows of the page, in the range or not.
    ///   - isLast: whether the range is complete with it.
    func received(_ range: ListedRange, rows: Int, first: [UInt8]?, last: [UInt8]?, pageRows: Int, isLast: Bool) {
        let isFirst = !range.isStarted
        range.note(rows: rows, first: first, last: last)
        self.rows += rows
        largestPage = max(largestPage, min(pageRows, 1000))
        if isFirst, let origin = range.origin {
            range.origin = nil
            origin.isProbed = false
            if let first {
                let variation = SplitPoint.common(origin.cursor, first)
                range.variation = variation
                origin.variation = variation
                origin.fruitless = 0
            } else {
                origin.fruitless += 1
            }
        }
        range.state = isLast ? .done : .idle
        if isLast { ranges.removeAll { $0 === range } }
    }

    func note(key: UnsafeRawBufferPointer) {
        alphabet.note(key)
    }

    // MARK: - Splitting

    private var affordsSplit: Bool {
        // Each open range may end with a page that is mostly its neighbour's.
        let spent = Double(requests + ranges.count + 1)
        return splits < Self.mostSplits && spent <= 1.2 * Double(rows) / Double(largestPage) + 150
    }

    private func split() -> ListedRange? {
        guard affordsSplit else { return nil }
        var best: (range: ListedRange, point: [UInt8], weight: Double)?
        for range in ranges where range.isStarted && !range.isProbed && range.firstKey != nil {
            // Where cuts keep finding nothing, they are made less often.
            guard range.fruitless <= 24 || range.pagesSinceSplit > range.fruitless - 24 else { continue }
            var weight = range.estimate(alphabet)
            // An estimate that a long list has proved wrong counts for nothing.
            if range.pagesSinceSplit > 8 { weight = max(weight, Double(4 * largestPage)) }
            guard weight >= Double(3 * largestPage), weight > best?.weight ?? 0 else { continue }
            let split = SplitPoint(cursor: range.cursor, upper: range.upper, alphabet: alphabet)
            guard let point = split.find(variation: range.variation, common: range.common) else { continue }
            best = (range, point, weight)
        }
        guard let best else { return nil }
        splits += 1
        let half = best.range.expected.map { max(0, $0 - best.range.rows) / 2 }
        let added = add(KeyRange(lower: best.point, upper: best.range.upper), expected: half)
        best.range.expected = half.map { best.range.rows + $0 }
        added.origin = best.range
        best.range.upper = best.point
        best.range.noteSplit()
        return added
    }
}
