import Basics
import Blobs
import Model
import S3
import Store

/// How large contents are fetched.
public struct ChunkLimits: Sendable {
    /// Contents of at least so many bytes are fetched in chunks.
    public var threshold: Int64 = 64 << 20
    /// The length of a chunk, about: parts of an upload are not torn apart for a few bytes.
    public var size: Int64 = 16 << 20

    public init() {}
}

/// The download of one large content: many ranges at a time, each tried again alone, checked as they arrive. What has
/// arrived stays in the store's `tmp/` until the content is complete, whatever happens in between.
final class ChunkedDownload {
    enum Outcome {
        case arrived(ContentVerifier.Verdict, headers: String?)
        /// - isUseless: nothing of what has arrived can be made use of.
        case failed(any Error, isUseless: Bool)
        /// The server does not do ranges.
        case rangesAreIgnored
    }

    private enum Phase {
        case beginning, asking, fetching, checking
    }

    let want: Want
    let partial: PartialBlob
    private(set) var source: SourceObject
    private let pool: WorkPool
    private let limits: ChunkLimits
    private var phase = Phase.beginning
    private var plan: ChunkPlan
    private var verifier: ContentVerifier?
    private var description: DescriptionTransfer.Description?
    private var inFlight = 0
    /// Everything before it has been asked for.
    private var cursor: Int64 = 0
    private var failure: (any Error)?
    private var ignoresRanges = false
    /// How often the content has been fetched, and what came out where nothing could vouch for it.
    private var rounds = 1
    private var earlier: [UInt8]?
    /// Bytes that were there when the last checkpoint was made.
    private var durable: Int64

    /// How many connections the object gets: more for as long as that makes it faster. Few are better, for what has come as
    /// far as their buffers is lost in a kill.
    private var window = ConcurrencyWindow(ceiling: 16, start: 2)
    private static let mostRounds = 3
    /// So many bytes at most does a power cut cost.
    private static let checkpoint: Int64 = 512 << 20

    /// - Parameter path: where to fetch the content to, beside somebody else who is at it; nil: where everybody looks for it.
    /// - Throws: `busy` while somebody else is at it.
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
            return DescriptionTransfer(source) { [unowned self] in try described($0) }
        case .asking, .checking:
            return nil
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
                // What was refused under the version's id is asked for by the key.
                cursor = 0
                return try next()
            }
            let chunk = plan.chunk(of: gap.lowerBound).clamped(to: gap)
            cursor = chunk.upperBound
            inFlight += 1
            return ChunkTransfer(source, partial, chunk) { [unowned self] head in
                // Where HEAD was of no use, the first answer tells as much.
                if description == nil { describe(head) }
            } done: { [unowned self] transfer, result in
                try ended(transfer, result)
            }
        }
    }

    /// What became of it; nil: it goes on.
    func outcome() throws -> Outcome? {
        if inFlight > 0 { return nil }
        if ignoresRanges { return .rangesAreIgnored }
        if let failure { return .failed(failure, isUseless: failure is SourceObject.Replaced) }
        guard phase == .checking, let result = verifier?.outcome else { return nil }
        let verdict = try result.get()
        switch verdict {
        case .checked, .opaque:
            return .arrived(verdict, headers: description?.headers)
        case .unknownPartSize(let sha256) where sha256 == earlier:
            // It has come out the same twice.
            return .arrived(.opaque(sha256: sha256), headers: description?.headers)
        case .unknownPartSize(let sha256):
            earlier = sha256
            return try fetchAgain("nothing can check it: its part size is unknown, and it came out different each time")
        case .wrong:
            return try fetchAgain("its bytes do not give the ETag \(want.etag)")
        }
    }

    // MARK: - Steps

    private func described(_ answer: Result<DescriptionTransfer.Description?, any Error>) throws {
        inFlight -= 1
        switch answer {
        case .success(let answer):
            description = answer
            plan = ChunkPlan(size: want.size, chunkSize: limits.size, partSize: answer?.partSize)
            phase = .fetching
            if answer != nil { verify() }
        case .failure(let error):
            failure = error
        }
    }

    private func describe(_ head: S3ResponseHead) {
        description = DescriptionTransfer.Description(
            partSize: nil, isOpaque: head.hasOpaqueETag, headers: head.headersWorthKeeping)
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
            // What the source is not to blame for ends everything; that the object was replaced ends this one.
            guard error is SourceObject.Replaced else { throw error }
            failure = error
            return
        }
        if error.kind == .unexpected, error.status == 200 {
            ignoresRanges = true
        } else if error.status == 403, !error.isArchived, want.isLatest, !transfer.source.byKey {
            // Public buckets often let everybody read the current object, but not versions by their ids.
            source.byKey = true
            cursor = 0
        } else {
            failure = failure ?? error
        }
    }

    /// Lets the check go on with what is there.
    private func verify() {
        if verifier == nil, description != nil || phase == .checking {
            verifier = ContentVerifier(
                partial, want.etag,
                isOpaque: source.replica == nil && (want.isOpaque || want.etag.verbatim != nil)
                    || description?.isOpaque == true,
                partSize: description?.partSize, sha256: source.replica?.sha256, needsSHA256: want.isOwn, pool)
        }
        verifier?.arrived(partial.present)
    }

    private func fetchAgain(_ reason: String) throws -> Outcome? {
        try partial.startOver()
        guard rounds < ChunkedDownload.mostRounds else { return .failed(S3Failure.corrupt(reason), isUseless: true) }
        rounds += 1
        verifier = nil
        cursor = 0
        durable = 0
        phase = .fetching
        return nil
    }
}

/// Makes durable what has arrived of a content that takes long.
private final class Checkpoint: Work {
    private let partial: PartialBlob
    private let ranges: ByteRanges

    init(_ partial: PartialBlob, _ ranges: ByteRanges) {
        self.partial = partial
        self.ranges = ranges
    }

    func perform(isStopping: () -> Bool) {
        // Where this fails, the next power cut costs more; writing and closing have errors of their own.
        try? partial.makeDurable(ranges)
    }
}
