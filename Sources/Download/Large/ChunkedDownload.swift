import Basics
import Blobs
import Model
import S3
import Store

/// The download of one large content: many ranges at a time, retried separately, checked as they arrive. What has arrived
/// stays in the store's `tmp/` until the content is complete, even if the process ends.
final class ChunkedDownload {
    enum Outcome {
        case arrived(ContentDigest.Verdict, headers: ReceivedHeaders?)
        /// - isUseless: none of the bytes that have arrived can be used.
        case failed(any Error, isUseless: Bool)
        /// The server does not support ranges.
        case rangesAreIgnored
    }

    private enum Phase {
        case beginning, asking, measuring, fetching, checking
    }

    let want: FetchRequest
    let partial: PartialBlob
    private(set) var source: SourceObject
    private let pool: WorkPool
    private let limits: ChunkLimits
    private var phase = Phase.beginning
    private var plan: ChunkPlan
    private var verifier: ContentVerifier?
    private var description: ObjectDescription?
    /// The parts of the upload, as far as the source says.
    private var parts: PartLayout?
    /// The same, where each was asked for.
    private var certainParts: PartLayout?
    /// Asks for the parts; it is done once.
    private var inquiry: PartInquiry?
    /// A question about the object that is to be asked next.
    private var question: Transfer?
    /// Whether the source was asked about the object as a whole, which is when it says its checksum.
    private var hasAskedForWhole = false
    private var inFlight = 0
    /// Everything before this offset has been requested.
    private var cursor: Int64 = 0
    private var failure: (any Error)?
    private var ignoresRanges = false
    /// How often the content has been fetched, and the SHA-256 of the last time if nothing else could check it.
    private var rounds = 1
    private var earlier: [UInt8]?
    /// The digest of the last download, if it was not the expected one.
    private var wrong: [UInt8]?
    /// How many bytes were there at the last checkpoint.
    private var durable: Int64

    /// How many requests are made at a time: more as long as that is faster. Fewer are better, since a kill loses what is in
    /// their buffers.
    private var window = ConcurrencyWindow(ceiling: 16, start: 2)
    private static let mostRounds = 3
    /// The most bytes that a power cut costs.
    private static let checkpoint: Int64 = 512 << 20

    /// - Parameter path: a file of its own, for a content that another process is fetching; nil: the shared one in `tmp/`.
    /// - Throws: `busy` while another process has the shared file.
    init(_ source: SourceObject, _ store: Store, _ limits: ChunkLimits, _ pool: WorkPool, privateAt path: String?)
        throws
    {
        self.source = source
        self.limits = limits
        self.pool = pool
        want = source.want
        if let path {
            partial = try PartialBlob(privateAt: path, size: want.size)
        } else {
            partial = try PartialBlob(store, etag: want.contentETag, size: want.size)
        }
        durable = partial.present.count
        plan = ChunkPlan(size: want.size, chunkSize: limits.size, partSize: nil)
    }

    /// The next request, if there is one to be made now.
    func next() throws -> Transfer? {
        switch phase {
        case .beginning:
            phase = .asking
            inFlight += 1
            if let known = source.knownDescription {
                try described(.success(known))
                return try next()
            }
            let part = source.etagIsOfParts(nil) ? 1 : nil
            hasAskedForWhole = part == nil
            return DescriptionTransfer(source, part: part) { [unowned self] in try described($0) }
        case .asking:
            return question.take()
        case .checking:
            return nil
        case .measuring:
            return inquiry?.next()
        case .fetching:
            guard failure == nil, !ignoresRanges else { return nil }
            guard inFlight < window.size else {
                window.noteFull()
                return nil
            }
            guard let gap = partial.present.firstGap(in: cursor..<want.size) else {
                guard inFlight == 0 else { return nil }
                if partial.isComplete {
                    phase = .checking
                    verify()
                    return nil
                }
                // Requests by version id were refused: ask by key.
                cursor = 0
                return try next()
            }
            let chunk = plan.chunk(of: gap.lowerBound).clamped(to: gap)
            cursor = chunk.upperBound
            inFlight += 1
            return ChunkTransfer(source, partial, chunk) { [unowned self] head in
                // If HEAD has failed, the first answer has to do.
                if description == nil { description = ObjectDescription(head, of: nil) }
            } done: { [unowned self] transfer, result in
                try ended(transfer, result)
            }
        }
    }

    /// The outcome; nil while the download continues.
    func outcome() throws -> Outcome? {
        if inFlight > 0 { return nil }
        if ignoresRanges { return .rangesAreIgnored }
        if let failure { return .failed(failure, isUseless: failure is SourceObject.Replaced) }
        guard phase == .checking, let result = verifier?.outcome else { return nil }
        let verdict = try result.get()
        switch verdict {
        case .checked, .opaque:
            return .arrived(verdict, headers: description?.headers)
        case .undecided(let sha256?) where sha256 == earlier:
            // Two downloads gave the same bytes.
            return .arrived(.opaque(sha256: sha256), headers: description?.headers)
        case .undecided(let sha256):
            // Before it is fetched again: perhaps its parts are not of one size, or the source has a checksum of it.
            if try measure() || askForWhole() { return nil }
            if source.acceptsUnchecked(description), let sha256 {
                return .arrived(.opaque(sha256: sha256), headers: description?.headers)
            }
            earlier = sha256
            return try fetchAgain(S3Failure.corrupt(UndecidedContent.neverAlike))
        case .wrong(let digest, let algorithm) where digest == wrong:
            return .failed(S3Failure.corrupt(source.lastingMismatch(algorithm)), isUseless: true)
        case .wrong(let digest, let algorithm):
            wrong = digest
            let reason = algorithm?.mismatch ?? "its bytes do not match the ETag \(want.etag)"
            return try fetchAgain(S3Failure.corrupt(reason))
        }
    }

    // MARK: - Steps

    private func described(_ answer: Result<ObjectDescription?, any Error>) throws {
        inFlight -= 1
        switch answer {
        case .success(let answer):
            description = answer
            parts = answer?.likelyParts(of: want)
            if parts == nil, description?.partLength == nil, source.needsParts(description), hasAskedForWhole {
                // Its checksum is one of parts.
                return ask(part: 1) { [unowned self] answer in
                    parts = answer.likelyParts(of: want)
                    if parts == nil, try measure() { return }
                    fetch()
                }
            }
            if parts == nil, try measure() { return }
            fetch()
        case .failure(let error):
            failure = error
        }
    }

    /// Asks a further question about the object, and adds the answer to its description.
    private func ask(part: Int?, then: @escaping (ObjectDescription) throws -> Void) {
        phase = .asking
        question = DescriptionTransfer(source, part: part) { [unowned self] answer in
            inFlight -= 1
            switch answer {
            case .success(let answer):
                if let answer {
                    if description == nil { description = answer } else { description?.add(answer) }
                }
                try then(answer ?? ObjectDescription(isOpaque: false))
            case .failure(let error): failure = error
            }
        }
        inFlight += 1
    }

    /// Asks for the checksum of the whole object, unless that was done.
    private func askForWhole() -> Bool {
        guard !hasAskedForWhole, source.replica == nil else { return false }
        hasAskedForWhole = true
        ask(part: nil) { [unowned self] _ in
            if description?.checksum != nil { verifier = nil }
            phase = .checking
            verify()
        }
        return true
    }

    /// Asks for the parts one by one, unless that was done or is of no use.
    private func measure() throws -> Bool {
        guard inquiry == nil else { return false }
        inquiry = PartInquiry(source, description) { [unowned self] in try measured($0) }
        guard inquiry != nil else { return false }
        phase = .measuring
        return true
    }

    private func measured(_ answer: Result<PartLayout?, any Error>) throws {
        switch answer {
        case .success(let known):
            certainParts = known
            if let known, known != parts || description?.checksum?.parts != nil {
                parts = known
                verifier = nil
            }
            fetch()
        case .failure(let error):
            failure = error
        }
    }

    /// Begins to fetch what is not there.
    private func fetch() {
        var partSize: Int64?
        if case .even(let size) = parts { partSize = size }
        plan = ChunkPlan(size: want.size, chunkSize: limits.size, partSize: partSize)
        phase = .fetching
        if description != nil { verify() }
    }

    private func ended(_ transfer: ChunkTransfer, _ result: Result<Void, any Error>) throws {
        inFlight -= 1
        switch result {
        case .success:
            window.ended(bytes: Int64(transfer.range.count), overloaded: false, now: MonotonicClock.milliseconds())
            verify()
            if partial.present.count - durable >= ChunkedDownload.checkpoint {
                durable = partial.present.count
                pool.submit(Checkpoint(partial, partial.present))
            }
        case .failure(let error):
            try failed(transfer, error)
        }
    }

    private func failed(_ transfer: ChunkTransfer, _ error: any Error) throws {
        guard let error = error as? S3Failure else {
            // A replaced object ends this download; an error that is not the source's ends everything.
            guard error is SourceObject.Replaced else { throw error }
            failure = error
            return
        }
        if error.kind == .unexpected, error.status == 200 {
            ignoresRanges = true
        } else if transfer.source.isWorthAskingByKey(after: error) {
            // What was refused by version id may be said by key.
            if !source.byKey, description == nil { phase = .beginning }
            source.byKey = true
            cursor = 0
        } else {
            failure = failure ?? error
        }
    }

    /// Lets the verifier continue with what is there.
    private func verify() {
        if verifier == nil, description != nil || phase == .checking {
            verifier = source.verifier(of: partial, parts, certain: certainParts, description, pool)
        }
        verifier?.arrived(partial.present)
    }

    private func fetchAgain(_ failure: S3Failure) throws -> Outcome? {
        try partial.startOver()
        guard rounds < ChunkedDownload.mostRounds else { return .failed(failure, isUseless: true) }
        rounds += 1
        verifier = nil
        cursor = 0
        durable = 0
        phase = .fetching
        return nil
    }
}

/// Makes durable what has arrived so far of a large content.
private final class Checkpoint: Work {
    private let partial: PartialBlob
    private let ranges: ByteRanges

    init(_ partial: PartialBlob, _ ranges: ByteRanges) {
        self.partial = partial
        self.ranges = ranges
    }

    func perform(isStopping: () -> Bool) {
        // If this fails, a power cut costs more. Errors of the disk show up when writing and closing.
        try? partial.makeDurable(ranges)
    }
}
