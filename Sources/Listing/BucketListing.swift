import Basics
import S3

/// Lists a bucket in parallel and writes what it finds as an inventory.
///
/// Each range of keys has at most one request in flight. The rows of a page go to the ``RangeWriter`` in the order in which
/// they come; what is complete is written down, and an interrupted listing goes on with it.
public final class BucketListing {
    private let client: S3Client
    private let options: ListingOptions
    private let created: Timestamp
    private let records: ListingRecords
    private let plan: ListingPlan
    private let report: (ListingProgress) -> Void
    private var writer: RangeWriter?
    private var call: S3ListingCall
    /// Whether it is known which call the server understands.
    private var isSettled: Bool
    private var hasAsked = false
    private var isCallCertain: Bool
    private var progress = ListingProgress()
    private var watches: [Int: LatestWatch] = [:]
    /// Version ids that ended pages within one key, by range: none may come again.
    private var endings: [Int: Set<[UInt8]>] = [:]
    private var relistings: [(KeyRelisting, PendingRows)] = []
    private var pendingRows = 0

    /// Rows that wait until keys among them have been listed again.
    private final class PendingRows {
        let range: ListedRange
        let page: S3VersionPage
        let rows: Range<Int>
        let isLast: Bool
        var missing: Int
        var replacements: [KeyReplacement] = []

        init(_ range: ListedRange, _ page: S3VersionPage, _ rows: Range<Int>, isLast: Bool, missing: Int) {
            self.range = range
            self.page = page
            self.rows = rows
            self.isLast = isLast
            self.missing = missing
        }
    }

    /// - Parameters:
    ///   - directory: where the inventory is written: an unfinished one that is there goes on.
    ///   - created: the moment before the first request of the first attempt, in whole seconds.
    ///   - report: called several times a second, and at the end.
    public init(
        _ client: S3Client, _ options: ListingOptions, directory: String, created: Timestamp,
        report: @escaping (ListingProgress) -> Void
    ) throws {
        self.client = client
        self.options = options
        self.created = created
        self.report = report
        records = try ListingRecords(directory)
        call = records.call ?? options.call
        isSettled = records.call != nil
        isCallCertain = options.isCallCertain
        let gaps = KeyRange.gaps(between: records.pieces.map(\.range))
        let each = options.expectedRows.map { $0 / (options.keys.count + 1) }
        plan = ListingPlan(gaps, keys: options.keys, expected: each)
        progress.earlierRows = records.pieces.reduce(0) { $0 + $1.rows }
        progress.expectedRows = options.expectedRows
        progress.call = call
        if isSettled { writer = try makeWriter() }
    }

    /// Whether a directory holds a listing that is complete.
    public static func isFinished(_ directory: String) -> Bool {
        ListingRecords.isFinished(directory)
    }

    /// Lists what is not listed yet, and writes the manifest.
    ///
    /// - Returns: how it went.
    public func run() throws -> ListingProgress {
        var loopOptions = client.loopOptions
        loopOptions.maxInFlight = options.jobs
        let loop = try TransferLoop(client, options: loopOptions)
        loop.progress = { [self] in show($0) }
        defer { writer?.stop() }
        try loop.run { try next() }
        let found = try writer?.finish() ?? []
        show(loop.statistics)
        // What a server repeats at the beginning of a page counted until now.
        progress.rows = found.reduce(0) { $0 + $1.rows }
        try records.finish(records.pieces + found, bucket: options.listedBucket, created: created)
        return progress
    }

    private func show(_ statistics: TransferLoop.Statistics) {
        progress.rows = plan.rows
        progress.requests = statistics.requests
        progress.retries = statistics.retries
        progress.bytes = statistics.bytes
        progress.inFlight = statistics.inFlight
        progress.call = call
        report(progress)
    }

    private func makeWriter() throws -> RangeWriter {
        let lines = InventoryLines(bucket: options.listedBucket, hasVersions: call == .versions)
        return try RangeWriter(lines, in: records.dataPath, nextNumber: records.nextNumber) { [records] in
            try records.append($0)
        }
    }

    // MARK: - Requests

    private func next() throws -> NextTransfer {
        try writer?.check()
        if let (relisting, pending) = relistings.popLast() { return .transfer(transfer(relisting, pending)) }
        // The first page shows what the server understands.
        if !isSettled, hasAsked, !isCallCertain || options.keys.isEmpty { return .waiting }
        guard let range = plan.next() else { return plan.isFinished && pendingRows == 0 ? .finished : .waiting }
        hasAsked = true
        let request = S3Request.listing(call, bucket: options.bucket, from: range.marker)
        let asked = call
        return .transfer(
            PageTransfer(request) { [self] result in
                // An answer to another request has shown meanwhile that an older call is needed.
                if call != asked { return range.state = .idle }
                switch result {
                case .success(let page): try received(range, page)
                case .failure(let error): try failed(range, error)
                }
            })
    }

    /// The server may not know the call: then an older one is tried, on the first page only.
    private func failed(_ range: ListedRange, _ error: any Error) throws {
        guard let failure = error as? S3Failure else { throw error }
        let isUnknown =
            failure.kind == .response && [400, 405, 501].contains(failure.status)
            && !S3Failure.isAboutKeys(failure.code)
        guard !isSettled, isUnknown, let older = older(than: call) else { throw described(failure) }
        tryAgain(range, older)
    }

    private func described(_ failure: S3Failure) -> IcecoreError {
        let error = failure.asError
        return IcecoreError(error.code, "cannot list the bucket \(options.bucket): \(error.message)")
    }

    private func older(than call: S3ListingCall) -> S3ListingCall? {
        switch call {
        case .versions: .objects
        case .objects: .oldObjects
        case .oldObjects: nil
        }
    }

    private func tryAgain(_ range: ListedRange, _ call: S3ListingCall) {
        self.call = call
        hasAsked = false
        isCallCertain = false
        range.state = .idle
    }

    /// Decides by the first page which call is used from now on.
    ///
    /// - Returns: false if the page is not an answer to such a call.
    private func settle(_ range: ListedRange, _ page: S3VersionPage) throws -> Bool {
        if call == .versions, page.isOfObjects {
            // It does not know the word `versions`, and lists objects.
            tryAgain(range, .objects)
            return false
        }
        guard page.isOfObjects == (call != .versions) else {
            throw IcecoreError(
                .invalidData, "the server lists versions of \(options.bucket) where objects were asked for")
        }
        if call == .objects, page.isTruncated, !page.isOfSecondVersion { call = .oldObjects }
        isSettled = true
        try records.begin(call)
        writer = try makeWriter()
        return true
    }

    // MARK: - Pages

    private func received(_ range: ListedRange, _ page: S3VersionPage) throws {
        if !isSettled, try !settle(range, page) { return }
        guard page.isOfObjects == (call != .versions) else {
            throw IcecoreError(.invalidData, "the server's listing of \(options.bucket) changes its kind on the way")
        }
        let last = page.rows.last.map { page.copy($0.key) }
        plan.extend(range, to: last, isLast: !page.isTruncated)
        let seam = range.seam
        let continuation = seam?.find(in: page)
        let rows = selection(of: page, range, from: continuation?.start ?? 0)
        var next = page.next
        if let last, let upper = range.upper, upper.lexicographicallyPrecedes(last) { next = nil }
        var isTorn = !(continuation?.isSound ?? true)
        if let next { isTorn = try advance(range, page, to: next, continuation) }
        page.withBytes { bytes in
            for place in stride(from: rows.lowerBound, to: rows.upperBound, by: 64) {
                plan.note(key: page.rows[place].key.bytes(in: bytes))
            }
        }
        let first = rows.isEmpty ? nil : page.copy(page.rows[rows.lowerBound].key)
        plan.received(
            range, rows: rows.count, first: first, last: last, pageRows: page.rows.count, isLast: next == nil)
        var doubtful =
            call == .versions ? watches[range.id, default: LatestWatch()].pass(page, rows, isLast: next == nil) : []
        if isTorn, let key = seam?.key, !doubtful.contains(key) { doubtful.append(key) }
        if next == nil {
            watches[range.id] = nil
            endings[range.id] = nil
        }
        guard !doubtful.isEmpty else { return try write(range, page, rows, [], isLast: next == nil) }
        let pending = PendingRows(range, page, rows, isLast: next == nil, missing: doubtful.count)
        if range.state == .idle { range.state = .busy }
        pendingRows += 1
        for key in doubtful { relistings.append((KeyRelisting(key), pending)) }
    }

    /// The new rows of a page that are in a range: a server may begin before it, and goes on behind it.
    private func selection(of page: S3VersionPage, _ range: ListedRange, from first: Int) -> Range<Int> {
        page.withBytes { bytes in
            range.lower.withUnsafeBytes { lower in
                var start = first
                while start < page.rows.count, !lower.precedes(page.rows[start].key.bytes(in: bytes)) { start += 1 }
                guard let upper = range.upper else { return start..<page.rows.count }
                return upper.withUnsafeBytes { upper in
                    var end = page.rows.count
                    while end > start, upper.precedes(page.rows[end - 1].key.bytes(in: bytes)) { end -= 1 }
                    return start..<end
                }
            }
        }
    }

    /// Decides where the next page of a range begins. Expects each to end behind the one before: a server that goes round in
    /// circles would be listed for ever.
    ///
    /// - Parameters:
    ///   - next: where the page says that the next one begins.
    ///   - continuation: how the page goes on from the one before it, if that can be told.
    /// - Returns: whether the key in which the page before ended has to be listed again.
    private func advance(
        _ range: ListedRange, _ page: S3VersionPage, to next: S3ListingMarker, _ continuation: PageSeam.Continuation?
    ) throws -> Bool {
        if let seam = range.seam, next.key.lexicographicallyPrecedes(seam.key) {
            // The server has begun a key anew that was complete.
            let behind = S3ListingMarker(after: seam.marker.key)
            guard hasAdvanced(range, to: behind, isEmpty: false) else { throw standsStill(range) }
            range.marker = behind
            return false
        }
        // An empty page says nothing of what is to be repeated: the one behind it does.
        let isEmpty = page.rows.isEmpty
        let seam = isEmpty ? range.seam : PageSeam(page, next)
        let marker = isEmpty ? next : seam?.marker ?? next
        if hasAdvanced(range, to: marker, isEmpty: isEmpty) {
            range.marker = marker
            range.seam = seam
            return !(isEmpty || continuation?.isSound ?? true)
        }
        // It has begun the key anew in which the page before ended: that is listed by itself, and the rest goes on behind it.
        guard range.seam?.key == next.key, range.restarted != next.key else { throw standsStill(range) }
        range.restarted = next.key
        range.marker = S3ListingMarker(after: next.key)
        range.seam = nil
        endings[range.id] = nil
        return true
    }

    private func hasAdvanced(_ range: ListedRange, to next: S3ListingMarker, isEmpty: Bool) -> Bool {
        let old = range.marker
        if old.key.lexicographicallyPrecedes(next.key) { endings[range.id] = nil }
        guard !next.key.lexicographicallyPrecedes(old.key), next != old else { return false }
        // Further versions of the same key; or, after an empty page, another name for the place.
        let ending = isEmpty ? next.token + next.versionId : next.versionId
        return endings[range.id, default: []].insert(ending).inserted
    }

    private func standsStill(_ range: ListedRange) -> IcecoreError {
        IcecoreError(
            .invalidData,
            "the server's listing of \(options.bucket) does not get past the key '\(Display.escaped(range.marker.key))': "
                + "the same page comes again")
    }

    private func write(
        _ range: ListedRange, _ page: S3VersionPage, _ rows: Range<Int>, _ replacements: [KeyReplacement], isLast: Bool
    ) throws {
        guard let writer else { return }
        if !rows.isEmpty || !replacements.isEmpty {
            try writer.send(.rows(range: range.id, from: range.lower, page, rows, replacements))
        }
        if isLast { try writer.send(.finish(range: range.id, from: range.lower, upper: range.upper)) }
    }

    // MARK: - Keys that have changed between two pages

    private func transfer(_ relisting: KeyRelisting, _ pending: PendingRows) -> Transfer {
        plan.noteExtraRequest()
        let request = S3Request.listing(
            .versions, bucket: options.bucket, prefix: relisting.key, from: relisting.marker)
        return PageTransfer(request) { [self] result in
            do {
                let page = try result.get()
                guard try relisting.add(page) else { return relistings.append((relisting, pending)) }
            } catch let failure as S3Failure {
                throw described(failure)
            }
            pending.replacements.append(relisting.replacement)
            pending.missing -= 1
            guard pending.missing == 0 else { return }
            pendingRows -= 1
            try write(
                pending.range, pending.page, pending.rows, pending.replacements, isLast: pending.isLast)
            if pending.range.state == .busy { pending.range.state = .idle }
        }
    }
}
