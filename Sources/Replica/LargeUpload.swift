import Basics
import Download
import Glibc
import Model
import S3
import Synchronization

/// One large blob on its way to a bucket, in parts: hashed by a thread of the pool a few parts ahead of those that are
/// being sent, and completed only if the blob is what its name says.
final class LargeUpload: Work, @unchecked Sendable {
    // Everything in `state` is touched under the lock; `inFlight` belongs to the thread of the loop.

    private struct Part {
        var number: Int
        var range: Range<Int64>
        var md5: [UInt8]
    }

    private struct State {
        var id: String?
        var hasStarted = false
        /// Hashed, and to be sent.
        var ready: [Part] = []
        var etags: [String?] = []
        /// The blob is not what its name says.
        var problem: String?
        var isDone = false
        var failure: (any Error)?
    }

    let job: UploadJob
    private let storage: S3Storage
    private let notes: UploadNotes
    private let path: String
    private let name: BlobName
    private let partSize: Int64?
    private let file: SharedFile
    private let wakeup: TransferLoop.Wakeup
    /// Of the upload, which need not be that of the upload that the blob comes from.
    private let length: Int64
    private let count: Int
    private let state = Mutex(State())
    private var inFlight = 0

    /// The smallest part that S3 takes, and a length that is not too much to send again.
    private static let smallest: Int64 = 5 << 20
    private static let usual: Int64 = 16 << 20
    private static let largest: Int64 = 1 << 30
    private static let mostCount: Int64 = 10_000
    /// So many parts are hashed ahead: they are still in memory when they are sent.
    private static let ahead = 4

    init(
        _ storage: S3Storage, _ job: UploadJob, _ path: String, _ name: BlobName, partSize: Int64?,
        _ notes: UploadNotes, _ wakeup: TransferLoop.Wakeup
    ) throws {
        self.wakeup = wakeup
        self.storage = storage
        self.job = job
        self.path = path
        self.name = name
        self.partSize = partSize
        self.notes = notes
        file = SharedFile(try BlobCopy.open(path, name))
        length = LargeUpload.length(name.size, partSize)
        count = Int((name.size - 1) / length + 1)
        state.withLock { $0.etags = [String?](repeating: nil, count: count) }
    }

    /// Parts as the blob's own upload had them save a second digest, where a server takes them.
    static func length(_ size: Int64, _ partSize: Int64?) -> Int64 {
        if let partSize, (smallest...largest).contains(partSize), (size - 1) / partSize < mostCount { return partSize }
        let least = (size - 1) / mostCount + 1
        return max(usual, ((least - 1) / (1 << 20) + 1) * (1 << 20))
    }

    // MARK: - The thread of the loop

    /// The next request, if there is one to be made now.
    func next() throws -> Transfer? {
        let (id, part, failure) = state.withLock { state -> (String?, Part?, (any Error)?) in
            if state.problem != nil { return (nil, nil, nil) }
            guard inFlight < S3Uploader.mostParts, !state.ready.isEmpty else { return (state.id, nil, state.failure) }
            return (state.id, state.ready.removeFirst(), state.failure)
        }
        if let failure { throw failure }
        guard let id, let part else { return nil }
        inFlight += 1
        var request = S3Request(.put, bucket: storage.location.bucket, key: storage.key(job.path))
        request.query = [("partNumber", Array(String(part.number).utf8)), ("uploadId", Array(id.utf8))]
        request.uploadLength = Int64(part.range.count)
        request.setContentMD5(part.md5)
        return PartUpload(request, file, from: part.range.lowerBound, md5: part.md5) { [self] result in
            inFlight -= 1
            let etag = try result.get()
            state.withLock { $0.etags[part.number - 1] = etag }
        }
    }

    /// What became of it; nil: it goes on.
    func outcome() throws -> UploadOutcome? {
        let (problem, isDone, id) = state.withLock { ($0.problem, $0.isDone, $0.id) }
        if isDone { return .done }
        guard let problem, inFlight == 0 else { return nil }
        // The blob is of no use: what was sent of it is taken back.
        if let id {
            try storage.client.abortUpload(bucket: storage.location.bucket, key: storage.key(job.path), id: id)
        }
        return .damaged(problem)
    }

    /// Gives it up at the server; false: that could not be done now.
    func abort() -> Bool {
        let (id, hasStarted) = state.withLock { ($0.id, $0.hasStarted) }
        guard let id else { return !hasStarted }
        var hasty = TransferLoop.Options()
        hasty.attempts = 1
        hasty.connectTimeout = 1000
        hasty.stallTimeout = 1
        let client = S3Client(storage.client.configuration, loopOptions: hasty)
        return (try? client.abortUpload(bucket: storage.location.bucket, key: storage.key(job.path), id: id)) != nil
    }

    // MARK: - A thread of the pool

    func perform(isStopping: () -> Bool) {
        do {
            try work(isStopping)
        } catch let damage as BlobCopy.Damage {
            state.withLock { $0.problem = damage.reason }
        } catch {
            state.withLock { $0.failure = error }
        }
    }

    private func work(_ isStopping: () -> Bool) throws {
        state.withLock { $0.hasStarted = true }
        let id = try begin()
        try notes.uploading(job.path, id: id)
        state.withLock { $0.id = id }
        try hash(isStopping)
        while true {
            if isStopping() { throw IcecoreError(.interrupted, "interrupted") }
            let etags = state.withLock { state in
                state.etags.contains(nil) ? nil : state.etags.compactMap { $0 }
            }
            if let etags {
                try storage.client.completeUpload(
                    bucket: storage.location.bucket, key: storage.key(job.path), id: id, etags: etags, size: name.size)
                return state.withLock { $0.isDone = true }
            }
            usleep(5000)
        }
    }

    /// Until its id is in the notes, they say that any upload of this key is to be given up.
    private func begin() throws -> String {
        let (bucket, key) = (storage.location.bucket, storage.key(job.path))
        let new = try storage.client.createUpload(bucket: bucket, key: key)
        guard new.mayHaveTwin else { return new.id }
        do {
            for upload in try storage.client.unfinishedUploads(bucket: bucket, key: key) where upload.id != new.id {
                try storage.client.abortUpload(bucket: bucket, key: key, id: upload.id)
            }
        } catch let failure as S3Failure where failure.status == 403 {
            // To list takes a right of its own; a twin is left to the bucket's life cycle.
        }
        return new.id
    }

    /// The digests of the parts, one after the other, and on the way that of the whole.
    private func hash(_ isStopping: () -> Bool) throws {
        let hasSameParts = partSize == length && BlobDigest.needsPartSize(name)
        var whole = BlobDigest(name, partSize: partSize)
        var ofParts = MD5()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        for number in 1...count {
            let start = Int64(number - 1) * length
            let range = start..<min(name.size, start + length)
            var part = MD5()
            var position = start
            while position < range.upperBound {
                if isStopping() { throw IcecoreError(.interrupted, "interrupted") }
                let piece = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[..<Int(min(Int64(buffer.count), range.upperBound - position))])
                try BlobCopy.read(file, into: piece, at: position)
                part.update(UnsafeRawBufferPointer(piece))
                if !hasSameParts { whole.update(UnsafeRawBufferPointer(piece)) }
                position += Int64(piece.count)
            }
            let md5 = part.finalize()
            md5.withUnsafeBytes { ofParts.update($0) }
            try waitForRoom(isStopping)
            state.withLock { $0.ready.append(Part(number: number, range: range, md5: md5)) }
            wakeup.wake()
        }
        let problem: String?
        if hasSameParts, case .etag(let etag, _) = name {
            let digest = ofParts.finalize()
            let isRight = Int(etag.parts) == count && digest == etag.md5
            problem = isRight ? nil : "its parts do not give its name"
        } else {
            problem = whole.problem()
        }
        if let problem { throw BlobCopy.Damage(reason: problem) }
    }

    private func waitForRoom(_ isStopping: () -> Bool) throws {
        while state.withLock({ $0.ready.count >= LargeUpload.ahead && $0.failure == nil }) {
            if isStopping() { throw IcecoreError(.interrupted, "interrupted") }
            usleep(2000)
        }
    }
}

/// A file that several threads read at places of their own.
final class SharedFile: @unchecked Sendable {
    // pread(2) leaves the position of the descriptor alone.
    let file: File

    init(_ file: consuming File) {
        self.file = file
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws {
        try file.read(into: buffer, at: offset)
    }
}

/// One part.
private final class PartUpload: Transfer {
    private let file: SharedFile
    private let start: Int64
    private let md5: [UInt8]
    private let done: (Result<String, any Error>) throws -> Void
    private var etag: String?

    init(
        _ request: S3Request, _ file: SharedFile, from start: Int64, md5: [UInt8],
        done: @escaping (Result<String, any Error>) throws -> Void
    ) {
        self.file = file
        self.start = start
        self.md5 = md5
        self.done = done
        super.init(request)
    }

    override func supply(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        try BlobCopy.read(file, into: buffer, at: start + offset)
        return buffer.count
    }

    override func begin(_ head: S3ResponseHead) throws {
        etag = head.etag
        if let etag, S3Uploader.isMD5(etag, head), etag.lowercased() != Hex.encode(md5) {
            throw S3Failure.corrupt("something else has arrived than was sent")
        }
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        switch result {
        case .success:
            guard let etag, !etag.isEmpty else {
                throw IcecoreError(.unsupported, "the server gives no ETag for a part of an upload")
            }
            try done(.success(etag))
        case .failure(let error): try done(.failure(error))
        }
    }
}
