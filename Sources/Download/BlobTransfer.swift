import Basics
import Glibc
import Model
import S3

/// The download of one blob: streamed to `tmp/`, checked against its ETag on the way.
final class BlobTransfer: Transfer {
    /// How a content came out.
    enum Verdict {
        /// The ETag vouches for it; for a multipart upload, with the part size that it had.
        case checked(partSize: Int64?)
        /// The ETag is no MD5 of anything.
        case opaque
        /// A multipart upload whose part size is unknown: the server has to be asked.
        case needsPartSize
    }

    let source: SourceObject
    var want: Want { source.want }
    let temporary: String
    private(set) var verdict: Verdict?
    private(set) var headers: String?
    private var done: ((BlobTransfer, Result<Void, any Error>) throws -> Void)?
    private let memory: ContentMemory
    /// Where the content goes: small ones to memory, as long as there is room.
    private(set) var held: HeldContent?
    private var file: File?
    private var md5 = MD5()
    private var parted: PartedMD5?
    private var candidates: [Int64] = []
    private var isOpaque = false
    private var received: Int64 = 0

    init(
        _ source: SourceObject, temporary: String, memory: ContentMemory,
        done: @escaping (BlobTransfer, Result<Void, any Error>) throws -> Void
    ) {
        self.source = source
        self.temporary = temporary
        self.memory = memory
        self.done = done
        var request = source.request()
        // Where another object may have come into its place, the ETag is looked at before the length.
        if !source.isReplaceable { request.expectedLength = source.want.size }
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
        try source.check(head)
        isOpaque = source.isOpaque(head)
        received = 0
        md5 = MD5()
        candidates = source.replica?.partSize.map { [$0] } ?? []
        if candidates.isEmpty, want.etag.parts > 0 {
            candidates = PartSizes.candidates(size: want.size, count: Int64(want.etag.parts))
        }
        parted = isOpaque ? nil : candidates.first.map { PartedMD5(partSize: $0) }
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
            throw S3Failure.corrupt("more than the \(want.size) bytes that the inventory lists")
        }
        if let held {
            guard held.append(bytes) else { throw S3Failure.corrupt("more than the \(want.size) bytes expected") }
        } else {
            try file?.write(bytes)
        }
        if isOpaque { return }
        if want.etag.parts == 0 {
            md5.update(bytes)
        } else {
            parted?.update(bytes)
        }
    }

    override func complete() throws {
        let written = file.take()
        try written?.close()
        guard received == want.size else {
            throw S3Failure.corrupt("\(received) bytes where the inventory lists \(want.size)")
        }
        if isOpaque {
            if let expected = source.replica?.sha256, try content.sha256(temporary) != expected {
                throw S3Failure.corrupt("its SHA-256 is not the one it is stored under")
            }
            verdict = .opaque
        } else if want.etag.parts == 0 {
            var digest = MD5()
            swap(&digest, &md5)
            guard digest.finalize() == want.etag.md5 else {
                throw S3Failure.corrupt("its MD5 is not the ETag \(want.etag)")
            }
            verdict = .checked(partSize: nil)
        } else {
            verdict = try partedVerdict()
        }
    }

    private func partedVerdict() throws -> Verdict {
        if let digest = parted.take() {
            let result = digest.finalize()
            if result.count == want.etag.parts, result.md5 == want.etag.md5 {
                return .checked(partSize: candidates[0])
            }
        }
        for partSize in candidates.dropFirst() {
            if try content.matches(temporary, want.etag, partSize: partSize) {
                return .checked(partSize: partSize)
            }
        }
        return .needsPartSize
    }

    /// Where the content is, once it is complete.
    var content: ArrivedContent { held.map { .memory($0) } ?? .file }

    /// Throws away what arrived.
    func discard() {
        if held == nil { unlink(temporary) }
        held = nil
    }

    /// The SHA-256 of what an earlier download of the same content gave, where nothing else could check it.
    var earlier: [UInt8]?
    /// How often the content has been fetched.
    var downloads = 1

    /// What the server says of the part size settles the matter. Where it says nothing, the content counts only when it
    /// has arrived twice in the same form: the verdict stays open after the first time.
    func settle(partSize: Int64?) throws {
        guard let partSize, partSize > 0 else {
            let sha256 = try content.sha256(temporary)
            if sha256 == earlier { verdict = .opaque }
            earlier = sha256
            return
        }
        guard try content.matches(temporary, want.etag, partSize: partSize) else {
            throw S3Failure.corrupt("its parts of \(partSize) bytes do not give the ETag \(want.etag)")
        }
        verdict = .checked(partSize: partSize)
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        file = nil
        let done = done.take()
        try done?(self, result)
    }
}

extension S3ResponseHead {
    /// Headers that cannot be had later, as JSON with sorted names; nil for most objects.
    var headersWorthKeeping: String? {
        var kept: [(String, String)] = []
        // What S3 gives an object that was put without a type says nothing.
        if let type = contentType, type != "binary/octet-stream" { kept.append(("content-type", type)) }
        if let encoding = contentEncoding, !encoding.isEmpty { kept.append(("content-encoding", encoding)) }
        if hasMetadata { kept += metadata.map { ($0.name.lowercased(), $0.value) } }
        guard !kept.isEmpty else { return nil }
        var json = "{"
        for (index, (name, value)) in kept.sorted(by: { $0.0 < $1.0 }).enumerated() {
            if index > 0 { json += "," }
            json += JSONLine.quoted(name) + ":" + JSONLine.quoted(value)
        }
        return json + "}"
    }
}
