import S3

/// Which range is asked next, and when one is split.
///
/// What is known of the bucket divides it at first. A range that is listed goes on into the one behind it, unless that has
/// begun; so those in the middle of what nobody has begun are begun first. Where fewer wait for an answer than may, the
/// busiest is cut in the middle, and the first page behind the cut is asked for. Each cut can cost a request that finds nothing new, so
/// there is a budget: the whole listing makes no more than 1.3 requests for each page that it fills, and 200.
final class ListingPlan {
    /// Those that have begun.
    private(set) var ranges: [ListedRange] = []
    /// Those that have not, in order.
    private var waiting: [ListedRange] = []
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
            for piece in pieces { waiting.append(make(piece, expected: pieces.count > 1 ? expected : nil)) }
        }
    }

    private func make(_ range: KeyRange, expected: Int?) -> ListedRange {
        defer { nextID += 1 }
        return ListedRange(id: nextID, range, expected: expected)
    }

    var isFinished: Bool { ranges.isEmpty && waiting.isEmpty }

    /// The range whose next page is to be asked for now; nil if all wait for answers.
    func next() -> ListedRange? {
        guard let range = ranges.first(where: { $0.state == .idle }) ?? beginWaiting() ?? split() else { return nil }
        range.state = .busy
        requests += 1
        return range
    }

    /// Begins one of the ranges that wait: the first of some that nobody is going to reach, else the one in the middle of
    /// the most that follow each other.
    private func beginWaiting() -> ListedRange? {
        var best: (start: Int, count: Int)?
        var start = 0
        while start < waiting.count {
            var end = start + 1
            while end < waiting.count, waiting[end].lower == waiting[end - 1].upper { end += 1 }
            guard ranges.contains(where: { $0.upper == waiting[start].lower }) else { return begin(start) }
            if end - start > best?.count ?? 0 { best = (start, end - start) }
            start = end
        }
        guard let best, affordsSplit else { return nil }
        return begin(best.start + best.count / 2)
    }

    private func begin(_ place: Int) -> ListedRange {
        let range = waiting.remove(at: place)
        ranges.append(range)
        return range
    }

    /// Lets a range go on into those behind it that nobody has begun, as far as a page of it reaches.
    ///
    /// - Parameters:
    ///   - last: the last key of the page.
    ///   - isLast: nothing comes after the page, in the whole bucket.
    func extend(_ range: ListedRange, to last: [UInt8]?, isLast: Bool) {
        while let upper = range.upper, isLast || last.map(upper.lexicographicallyPrecedes) ?? false,
            let place = waiting.firstIndex(where: { $0.lower == upper })
        {
            let next = waiting.remove(at: place)
            range.upper = next.upper
            if let expected = range.expected { range.expected = next.expected.map { expected + $0 } }
        }
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
            let split = SplitPoint(
                cursor: range.cursor, upper: range.upper, alphabet: alphabet, wasFruitless: range.fruitless > 0)
            guard let point = split.find(variation: range.variation, common: range.common) else { continue }
            best = (range, point, weight)
        }
        guard let best else { return nil }
        splits += 1
        let half = best.range.expected.map { max(0, $0 - best.range.rows) / 2 }
        let added = make(KeyRange(lower: best.point, upper: best.range.upper), expected: half)
        ranges.append(added)
        best.range.expected = half.map { best.range.rows + $0 }
        added.origin = best.range
        best.range.upper = best.point
        best.range.noteSplit()
        return added
    }
}
