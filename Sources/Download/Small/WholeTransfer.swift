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
    private(set) var headers: String?
    private var done: ((WholeTransfer, Result<Void, any Error>) throws -> Void)?
    private let memory: ContentMemory
    /// The memory that the content goes to; nil: it goes to its file.
    private(set) var held: HeldContent?
    private var file: File?
    private var digest: ContentDigest?
    private var received: Int64 = 0

    init(
        _ source: SourceObject, temporary: String, memory: ContentMemory,
        done: @escaping (WholeTransfer, Result<Void, any Error>) throws -> Void
    ) {
        self.source = source
        self.temporary = temporary
        self.memory = memory
        self.done = done
        var request = source.request()
        // Where another object may have taken its place, the ETag is checked before the length.
        if !source.isReplaceable { request.expectedLength = source.want.size }
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
        try source.check(head)
        received = 0
        digest = ContentDigest(source.expectedDigest(hasOpaqueETag: head.hasOpaqueETag))
        held = held ?? memory.hold(want.size)
        if let held {
            held.clear()
        } else {
            file = try File(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o444)
        }
        headers = source.replica == nil ? head.headersWorthKeeping : nil
    }

    override func body(_ bytes: UnsafeRawBufferPointer) throws {
        received += Int64(bytes.count)
        guard received <= want.size else {
            throw S3Failure.corrupt("more than the \(want.size) bytes in the inventory")
        }
        if let held {
            guard held.append(bytes) else { throw S3Failure.corrupt("more than the \(want.size) bytes expected") }
        } else {
            try file?.write(bytes)
        }
        digest?.update(bytes)
    }

    override func complete() throws {
        let written = file.take()
        try written?.close()
        guard received == want.size else {
            throw S3Failure.corrupt("\(received) bytes instead of the \(want.size) in the inventory")
        }
        guard let digest = digest.take() else { return }
        try decide(digest)
    }

    /// - Parameter digest: one that has taken the whole content.
    private func decide(_ digest: consuming ContentDigest) throws {
        let expected = digest.expected
        let verdict = try digest.verdict(needsSHA256: want.isFiledByVersion) { try content.read(temporary, $0) }
        guard verdict != .wrong else { throw S3Failure.corrupt(expected.mismatch) }
        self.verdict = verdict
    }

    /// Where the complete content is.
    var content: ArrivedContent { held.map { .memory($0) } ?? .file }

    /// Deletes what has arrived.
    func discard() {
        if held == nil { unlink(temporary) }
        held = nil
    }

    /// The SHA-256 that an earlier download of the content gave, if nothing else can check it.
    var earlier: [UInt8]?
    /// How often the content has been fetched.
    var downloads = 1

    /// Decides on a content of unknown part size. If the server does not know it either, the content is accepted once two
    /// downloads have given the same bytes: after the first, the verdict stays as it is.
    func settle(partSize: Int64?) throws {
        guard let partSize, partSize > 0 else {
            let sha256: [UInt8]
            if case .unknownPartSize(let known?) = verdict {
                sha256 = known
            } else {
                sha256 = try ContentDigest.sha256 { try content.read(temporary, $0) }
            }
            if sha256 == earlier { verdict = .opaque(sha256: sha256) }
            earlier = sha256
            return
        }
        var digest = ContentDigest(.etag(want.etag, size: want.size, partSize: partSize))
        try content.read(temporary) { digest.update($0) }
        try decide(digest)
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        file = nil
        let done = done.take()
        try done?(self, result)
    }
}
