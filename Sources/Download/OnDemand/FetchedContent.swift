import Basics
import Blobs
import Glibc
import Model
import S3
import Store

/// A content that is fetched as it is read.
final class FetchedContent {
    let want: FetchRequest
    private var source: SourceObject
    private let partial: PartialBlob
    private let pool: WorkPool
    private let log: @Sendable (String) -> Void
    private let keep: (CheckedContent) -> Void
    private let distrust: (Set<UInt64>) -> Void
    private let goOn: ([any ContentReader], SourceObject) -> Void
    /// Nothing of it was there before it was read here.
    private let isNew: Bool
    /// The files whose readers were given unchecked bytes.
    private var seenBy: Set<UInt64> = []
    /// A request has failed: the next reader's object is used instead.
    private var hasFailed = false
    /// A small content is fetched whole, and checked before anyone sees it.
    private let isSmall: Bool

    private var readers: [any ContentReader] = []
    /// What is there, in flight or in the queue.
    private var requested: ByteRanges
    private var queue: [Range<Int64>] = []
    private var inFlight = 0
    private var verifier: ContentVerifier?
    private var description: ObjectDescription?
    /// The parts of the upload, as far as the source says; it is asked once.
    private var parts: PartLayout?
    private var inquiry: PartInquiry?
    private var certainParts: PartLayout?
    private var isMeasuring = false
    /// Whether the source was asked about the first part, and about the object as a whole: then it says its checksum.
    private var hasAskedForPart = false
    private var hasAskedForWhole = false
    private var isAsking = false
    /// The content is checked, or nothing can check it: readers get it.
    private var isSettled = false
    private var rounds = 1
    /// The digest of the last round, if it was not the expected one.
    private var wrong: [UInt8]?
    /// The content has failed for good: a later read needs another ``FetchedContent``.
    private(set) var isOver = false
    /// Where the last read ended, and how much has been read sequentially up to there.
    private var lastEnd: Int64 = -1
    private var run: Int64 = 0

    static let smallest: Int64 = 8 << 20
    private static let block: Int64 = 1 << 20
    private static let chunk: Int64 = 4 << 20
    private static let mostAhead: Int64 = 32 << 20
    private static let mostInFlight = 8
    /// Of a content that is not kept; more than what is fetched ahead.
    private static let mostInMemory: Int64 = 64 << 20
    private static let mostRounds = 3
    /// How many files with one content are remembered; it is rarely more than one.
    private static let mostSeen = 1000

    /// - Parameters:
    ///   - partial: where it arrives.
    ///   - keep: called when the content is complete and checked.
    ///   - distrust: called with the readers' files when the bytes that they were given turn out to be wrong.
    ///   - goOn: called with readers that wait while the store's disk fails: they go on without it.
    init(
        _ source: SourceObject, _ partial: PartialBlob, _ pool: WorkPool, log: @escaping @Sendable (String) -> Void,
        keep: @escaping (CheckedContent) -> Void, distrust: @escaping (Set<UInt64>) -> Void,
        goOn: @escaping ([any ContentReader], SourceObject) -> Void
    ) {
        self.source = source
        self.pool = pool
        self.log = log
        self.keep = keep
        self.distrust = distrust
        want = source.want
        self.goOn = goOn
        self.partial = partial
        isNew = partial.present.isEmpty
        requested = partial.present
        isSmall = want.size <= FetchedContent.smallest
    }

    deinit {
        if !isSettled { try? partial.letGo() }
    }

    /// When it was last read, in milliseconds of the monotonic clock.
    private(set) var touched = MonotonicClock.milliseconds()
    /// Whether requests still refer to it.
    var hasRequests: Bool { inFlight > 0 || isMeasuring }
    /// Whether it is checked, and will soon be a blob that is read without this.
    var isDone: Bool { isSettled && readers.isEmpty }

    /// Whether a reader waits, or something is in flight.
    var isBusy: Bool {
        !readers.isEmpty || inFlight > 0 || !queue.isEmpty || (partial.isComplete && !isSettled && !isOver)
    }

    // MARK: - Readers

    func add(_ reader: any ContentReader, _ source: SourceObject) {
        readers.append(reader)
        touched = MonotonicClock.milliseconds()
        if hasFailed {
            // Another key may still have the content.
            self.source = source
            hasFailed = false
        }
        let range = reader.range
        // The kernel's read-ahead comes slightly out of order.
        if range.lowerBound <= lastEnd + FetchedContent.block, range.lowerBound >= lastEnd - FetchedContent.block {
            run += max(0, range.upperBound - lastEnd)
            lastEnd = max(lastEnd, range.upperBound)
        } else {
            run = 0
            lastEnd = range.upperBound
            dropReadAhead()
        }
        if isSmall { return request(0..<want.size) }
        let block = FetchedContent.block
        let from = range.lowerBound / block * block
        let end = min(want.size - 1, range.upperBound - 1 + min(run, FetchedContent.mostAhead)) / block * block
        request(from..<min(want.size, end + block))
    }

    /// Queues the gaps of a range.
    private func request(_ range: Range<Int64>) {
        while let gap = requested.firstGap(in: range) {
            let piece = gap.lowerBound..<min(gap.upperBound, gap.lowerBound + FetchedContent.chunk)
            requested.insert(contentsOf: piece)
            queue.append(piece)
        }
    }

    /// The reader has moved elsewhere: cancels what was to be fetched ahead of it.
    private func dropReadAhead() {
        queue.removeAll { piece in
            if readers.contains(where: { $0.range.overlaps(piece) }) || isSmall { return false }
            requested.remove(contentsOf: piece)
            return true
        }
    }

    /// Answers the readers whose bytes are there.
    private func answer() {
        var place = 0
        while place < readers.count {
            let reader = readers[place]
            if reader.hasLeft {
                readers.remove(at: place)
                reader.fail(IcecoreError(.interrupted, "interrupted"))
            } else if partial.present.contains(reader.range), isSettled || !isSmall {
                readers.remove(at: place)
                answer(reader)
            } else {
                place += 1
            }
        }
    }

    private func answer(_ reader: any ContentReader) {
        var bytes = [UInt8](repeating: 0, count: reader.range.count)
        do {
            try bytes.withUnsafeMutableBytes { try partial.read(into: $0, at: reader.range.lowerBound) }
        } catch {
            return reader.fail(error as? IcecoreError ?? IcecoreError(.system, "\(error)"))
        }
        if !isSettled, seenBy.count < FetchedContent.mostSeen { seenBy.insert(reader.file) }
        bytes.withUnsafeBytes { reader.answer($0) }
    }

    /// Lets go of bytes in memory that no reader is near.
    private func trim() {
        guard partial.isInMemory, !isSmall, partial.present.count > FetchedContent.mostInMemory else { return }
        let near = lastEnd - 2 * FetchedContent.chunk..<lastEnd + FetchedContent.mostAhead + FetchedContent.chunk
        for range in partial.present.ranges {
            var parts: [Range<Int64>] = []
            if range.lowerBound < near.lowerBound {
                parts.append(range.lowerBound..<min(range.upperBound, near.lowerBound))
            }
            if range.upperBound > near.upperBound {
                parts.append(max(range.lowerBound, near.upperBound)..<range.upperBound)
            }
            for part in parts {
                if readers.contains(where: { $0.range.overlaps(part) }) { continue }
                guard (try? partial.forget(part)) != nil else { return }
                requested.remove(contentsOf: part)
            }
        }
    }

    /// The store's disk fails: whoever waits goes on without it. What has arrived here alone is given up, for it may be
    /// what fills the disk.
    private func leaveStore(_ error: IcecoreError) {
        log("\(String(decoding: want.key, as: UTF8.self).debugDescription) is read without being kept: \(error)")
        isOver = true
        queue = []
        if isNew, !partial.isPrivate { try? partial.remove() }
        let waiting = readers
        readers = []
        goOn(waiting, source)
    }

    func failAll(_ error: IcecoreError) {
        isOver = true
        for reader in readers { reader.fail(error) }
        readers = []
    }

    /// Fails the readers that wait for any of the bytes.
    private func fail(_ range: Range<Int64>, _ error: IcecoreError) {
        let failed = readers.filter { isSmall || $0.range.overlaps(range) }
        readers.removeAll { isSmall || $0.range.overlaps(range) }
        for reader in failed { reader.fail(error) }
    }

    // MARK: - Fetching

    /// The next request, if there is one to be made now.
    ///
    /// - Parameter mayBegin: something new may be fetched.
    func next(mayBegin: Bool) -> Transfer? {
        if isOver { return nil }
        if partial.isComplete, !isSettled, inFlight == 0 {
            if !isSmall { answer() }
            return check()
        }
        answer()
        guard mayBegin || !isSmall, inFlight < FetchedContent.mostInFlight, !queue.isEmpty else { return nil }
        // What a reader waits for goes first.
        let place = queue.firstIndex { piece in readers.contains { $0.range.overlaps(piece) } } ?? 0
        let range = queue.remove(at: place)
        inFlight += 1
        return ChunkTransfer(source, partial, range, isWhole: range == 0..<want.size && isSmall) {
            [unowned self] head in
            if description == nil { description = ObjectDescription(head, of: isSmall ? want : nil) }
        } done: { [unowned self] transfer, result in
            ended(transfer, result)
        }
    }

    private func ended(_ transfer: ChunkTransfer, _ result: Result<Void, any Error>) {
        inFlight -= 1
        if isOver { return }
        guard case .failure(let error) = result else {
            answer()
            return trim()
        }
        for gap in gaps(in: transfer.range) { requested.remove(contentsOf: gap) }
        hasFailed = true
        switch error {
        case is SourceObject.Replaced:
            try? partial.remove()
            failAll(IcecoreError(.notFound, "the object was replaced at the source"))
        case let failure as S3Failure:
            if transfer.source.isWorthAskingByKey(after: failure) {
                source.byKey = true
                hasFailed = false
                return request(transfer.range)
            }
            fail(transfer.range, failure.asError)
        case let error as IcecoreError where ContentPlace.isAboutStore(error) && !partial.isInMemory:
            leaveStore(error)
        case let error as IcecoreError:
            fail(transfer.range, error)
        default:
            fail(transfer.range, IcecoreError(.system, "\(error)"))
        }
    }

    private func gaps(in range: Range<Int64>) -> [Range<Int64>] {
        var gaps: [Range<Int64>] = []
        var from = range.lowerBound
        while let gap = partial.present.firstGap(in: from..<range.upperBound) {
            gaps.append(gap)
            from = gap.upperBound
            if from >= range.upperBound { break }
        }
        return gaps
    }

    // MARK: - Checking

    /// Checks the complete content.
    private func check() -> Transfer? {
        if isAsking { return nil }
        if isMeasuring { return inquiry?.next() }
        guard let verifier else {
            description = source.knownDescription ?? description
            if let question = question() { return question }
            verify()
            return nil
        }
        guard let outcome = verifier.outcome else { return nil }
        switch outcome {
        case .failure(let error):
            failAll(error as? IcecoreError ?? IcecoreError(.system, "\(error)"))
        case .success(.wrong(let digest, let algorithm)):
            startOver(digest, algorithm)
        case .success(.undecided):
            // Perhaps its parts are not of one size.
            if measure() { return inquiry?.next() }
            // Perhaps the source has a checksum of it.
            if !hasAskedForWhole, description?.checksum == nil { return ask(part: nil) }
            if case .success(.undecided(let sha256?)) = outcome, source.acceptsUnchecked(description) {
                isSettled = true
                finish(.opaque(sha256: sha256))
                return settled()
            }
            // Nothing vouches for it: readers get it, but only a sync keeps it, once two downloads gave the same bytes.
            isSettled = true
        case .success(let verdict):
            isSettled = true
            finish(verdict)
        }
        return settled()
    }

    private func settled() -> Transfer? {
        answer()
        return nil
    }

    /// What has to be asked before the content can be checked; each is asked once.
    private func question() -> Transfer? {
        if !hasAskedForPart, source.needsParts(description), description?.partLength == nil { return ask(part: 1) }
        if hasAskedForWhole || hasAskedForPart && description != nil { return nil }
        // The answer to a request for some of the bytes tells no checksum.
        let lacksChecksum = source.asksForChecksum && !isSmall && description?.checksum == nil
        return description == nil || lacksChecksum ? ask(part: nil) : nil
    }

    /// - Parameter part: the part of the upload to ask for; nil: the object as a whole.
    private func ask(part: Int?) -> Transfer {
        isAsking = true
        inFlight += 1
        if part == nil { hasAskedForWhole = true } else { hasAskedForPart = true }
        return DescriptionTransfer(source, part: part) { [unowned self] answer in
            isAsking = false
            inFlight -= 1
            if case .success(let answer?) = answer {
                if description == nil { description = answer } else { description?.add(answer) }
                parts = parts ?? answer.likelyParts(of: want)
            }
            if isReplaced(answer) { return }
            // Without an answer, what is known of it has to do.
            description = description ?? ObjectDescription(isOpaque: false)
            if part != nil, parts == nil, measure() { return }
            if description?.checksum != nil { verifier = nil }
        }
    }

    /// Asks for the parts one by one, unless that was done or is of no use.
    private func measure() -> Bool {
        guard inquiry == nil else { return false }
        inquiry = PartInquiry(source, description) { [unowned self] answer in
            isMeasuring = false
            if isReplaced(answer) { return }
            if case .success(let known?) = answer, known != parts || description?.checksum?.parts != nil {
                (parts, certainParts) = (known, known)
                verifier = nil
            }
            if verifier == nil { verify() }
        }
        isMeasuring = inquiry != nil
        return isMeasuring
    }

    /// Whether an answer is about another object: then there is nothing more to be had.
    private func isReplaced<Answer>(_ answer: Result<Answer, any Error>) -> Bool {
        guard case .failure(let error) = answer, error is SourceObject.Replaced else { return false }
        failAll(IcecoreError(.notFound, "the object was replaced at the source"))
        return true
    }

    private func verify() {
        let verifier = source.verifier(of: partial, parts, certain: certainParts, description, pool)
        self.verifier = verifier
        verifier.arrived(partial.present)
    }

    /// - Parameter digest: of what has arrived.
    private func startOver(_ digest: [UInt8], _ algorithm: ChecksumAlgorithm?) {
        let isLasting = digest == wrong
        wrong = digest
        verifier = nil
        rounds += 1
        distrust(seenBy)
        seenBy = []
        let sign = algorithm?.rawValue ?? "ETag"
        log(
            "what was fetched of \(String(decoding: want.key, as: UTF8.self).debugDescription) does not match its \(sign)"
        )
        do {
            try partial.startOver()
        } catch {
            return failAll(error as? IcecoreError ?? IcecoreError(.system, "\(error)"))
        }
        requested = ByteRanges()
        guard rounds <= FetchedContent.mostRounds, !isLasting else {
            try? partial.remove()
            let reason =
                isLasting
                ? source.lastingMismatch(algorithm)
                : algorithm?.mismatch ?? "its bytes do not match the ETag \(want.etag)"
            if isLasting { log("\(String(decoding: want.key, as: UTF8.self).debugDescription): \(reason)") }
            return failAll(IcecoreError(.damaged, reason))
        }
        for reader in readers { request(isSmall ? 0..<want.size : reader.range) }
    }

    private func finish(_ verdict: ContentDigest.Verdict) {
        // The process that holds the shared file keeps its own.
        if partial.isPrivate { return }
        let blob = CheckedContent(
            want, verdict, temporary: partial.path, partial: partial, headers: description?.headers)
        if let blob { keep(blob) }
    }
}
