import Basics
import Glibc
import Model
import S3

/// The download of a content in one request, to memory or to `tmp/`, checked on the way.
final class WholeTransfer: Transfer {
    let source: SourceObject
    var want: FetchRequest { source.want }
    let temporary: String
    private(set) var verdict: ContentDigest.Verdict?
    /// What the last answer said.
    private(set) var description: ObjectDescription?
    var headers: ReceivedHeaders? { source.replica == nil ? description?.headers : nil }
    /// Those of a multipart upload, as far as they are known.
    private var parts: PartLayout?
    /// The digest of the last attempt, if it was not the expected one.
    private var wrong: [UInt8]?
    private var done: ((WholeTransfer, Result<Void, any Error>) throws -> Void)?
    private let memory: ContentMemory
    /// The memory that the content goes to; nil: it goes to its file.
    private(set) var held: HeldContent?
    private var file: File?
    private var digest: ContentDigest?
    private var received: Int64 = 0

    init(
        _ source: SourceObject, temporary: String, memory: ContentMemory, parts: PartLayout? = nil,
        done: @escaping (WholeTransfer, Result<Void, any Error>) throws -> Void
    ) {
        self.source = source
        self.temporary = temporary
        self.memory = memory
        self.parts = parts
        self.done = done
        var request = source.request()
        // Where another object may have taken its place, the ETag is checked before the length.
        if !source.isReplaceable { request.expectedLength = source.want.size }
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
        try source.check(head)
        received = 0
        digest = ContentDigest(source.expectedDigest(parts: parts, hasOpaqueETag: head.hasOpaqueETag))
        held = held ?? memory.hold(want.size)
        if let held {
            held.clear()
        } else {
            file = try File(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o444)
        }
        description = ObjectDescription(head, of: want)
    }

    override func body(_ bytes: UnsafeRawBufferPointer) throws {
        received += Int64(bytes.count)
        guard received <= want.size else {
            throw S3Failure.wrongLength("more than the \(want.size.of("byte")) in the inventory")
        }
        if let held {
            guard held.append(bytes) else { throw S3Failure.corrupt("more than the \(want.size.of("byte")) expected") }
        } else {
            try file?.write(bytes)
        }
        digest?.update(bytes)
    }

    override func complete() throws {
        let written = file.take()
        try written?.close()
        guard received == want.size else {
            throw S3Failure.wrongLength("\(received.of("byte")) instead of the \(want.size) in the inventory")
        }
        guard let digest = digest.take() else { return }
        let expected = digest.expected
        var verdict = try digest.verdict(needsSHA256: want.isFiledByVersion) { try content.read(temporary, $0) }
        // What is undecided may get parts that the ETag vouches for.
        if case .opaque = verdict, let rule = source.checksumRule(description) {
            verdict = try rule.verdict(verdict) { try content.read(temporary, $0) }
        }
        if case .wrong(let found, let algorithm) = verdict {
            // What came twice in the same form comes a third time.
            if found == wrong { throw S3Failure.lasting(source.lastingMismatch(algorithm)) }
            wrong = found
            throw S3Failure.corrupt(algorithm?.mismatch ?? expected.mismatch)
        }
        self.verdict = verdict
    }

    /// Where the complete content is.
    var content: ArrivedContent { held.map { .memory($0) } ?? .file }

    /// Deletes what has arrived.
    func discard() {
        if held == nil { unlink(temporary) }
        held = nil
    }

    // MARK: - What the usual part sizes cannot check

    /// Whether the content, which has arrived, matches its ETag if it was uploaded in these parts: then it is checked.
    func matches(_ parts: PartLayout) throws -> Bool {
        guard source.etagIsOfParts(description) else { return false }
        self.parts = parts
        var digest = ContentDigest(.etag(want.etag, size: want.size, parts: parts))
        try content.read(temporary) { digest.update($0) }
        let verdict = try digest.verdict(needsSHA256: want.isFiledByVersion) { try content.read(temporary, $0) }
        guard case .checked = verdict else { return false }
        self.verdict = verdict
        return true
    }

    /// The SHA-256 of the content, which has arrived.
    func sha256() throws -> [UInt8] {
        if case .undecided(let known?) = verdict { return known }
        return try ContentDigest.sha256 { try content.read(temporary, $0) }
    }

    /// What the source's checksum says of the content, which has arrived.
    func verdict(_ rule: ChecksumRule) throws -> ContentDigest.Verdict {
        try rule.verdict(.undecided(sha256: sha256())) { try content.read(temporary, $0) }
    }

    /// Accepts the content under its SHA-256.
    func accept(sha256: [UInt8]) {
        verdict = .opaque(sha256: sha256)
    }

    /// The same download once more.
    func again(done: @escaping (WholeTransfer, Result<Void, any Error>) throws -> Void) -> WholeTransfer {
        WholeTransfer(source, temporary: temporary, memory: memory, parts: parts, done: done)
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        file = nil
        let done = done.take()
        try done?(self, result)
    }
}
