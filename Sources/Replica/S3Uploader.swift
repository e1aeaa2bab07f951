import Basics
import Download
import Glibc
import Model
import S3

/// Sends many contents to a bucket at once: small ones in one request each, large ones in parts.
///
/// Nothing is held in memory: what is sent is read from the disk as the network takes it, and hashed on the way.
final class S3Uploader {
    private let storage: S3Storage
    private let notes: UploadNotes
    private let loop: TransferLoop
    private let pool: WorkPool
    private var large: [LargeUpload] = []
    private var isExhausted = false
    /// Were looked for, and are not there.
    private var absent: [UploadJob] = []
    /// Are being looked for.
    private var looks = 0
    private var done: (UploadJob, UploadOutcome) throws -> Void = { _, _ in }

    /// Contents of at least so many bytes are sent in parts.
    static let threshold: Int64 = 32 << 20
    /// So many of them at a time.
    private static let mostLarge = 2
    /// So many parts of each in flight.
    static let mostParts = 6

    init(_ storage: S3Storage, notes: UploadNotes) throws {
        self.storage = storage
        self.notes = notes
        loop = try TransferLoop(storage.client, options: storage.options)
        let wakeup = loop.wakeup
        pool = try WorkPool { wakeup.wake() }
    }

    func run(
        _ next: () throws -> UploadJob?, done: (UploadJob, UploadOutcome) throws -> Void,
        progress: @escaping (Int64) -> Void
    ) throws {
        loop.progress = { progress($0.bytes) }
        defer { pool.stop() }
        try withoutActuallyEscaping(done) { done in
            self.done = done
            defer { self.done = { _, _ in } }
            do {
                try loop.run { try self.next(next) }
            } catch {
                abandon()
                throw error
            }
        }
        progress(loop.statistics.bytes)
    }

    private func next(_ source: () throws -> UploadJob?) throws -> NextTransfer {
        var place = 0
        while place < large.count {
            let upload = large[place]
            if let outcome = try upload.outcome() {
                large.remove(at: place)
                try notes.uploaded(upload.job.path)
                try done(upload.job, outcome)
                continue
            }
            if let transfer = try upload.next() { return .transfer(transfer) }
            place += 1
        }
        guard large.count < S3Uploader.mostLarge else { return .waiting }
        while let job = try nextJob(source) {
            do {
                if job.mayBeThere { return .transfer(look(for: job)) }
                if job.size >= S3Uploader.threshold, case .blob(let file, let name, let partSize) = job.content {
                    try notes.willUpload(job.path)
                    let upload = try LargeUpload(storage, job, file, name, partSize: partSize, notes, loop.wakeup)
                    large.append(upload)
                    pool.submit(upload)
                    return .waiting
                }
                return .transfer(
                    try WholeUpload(storage, job) { [unowned self] outcome in try self.done(job, outcome) })
            } catch let damage as BlobCopy.Damage {
                try done(job, .damaged(damage.reason))
            }
        }
        return large.isEmpty && looks == 0 ? .finished : .waiting
    }

    private func nextJob(_ source: () throws -> UploadJob?) throws -> UploadJob? {
        if let job = absent.popLast() { return job }
        if !isExhausted, let job = try source() { return job }
        isExhausted = true
        return nil
    }

    /// A request that says whether a blob is there: for a large one, much less than to send it again.
    private func look(for job: UploadJob) -> Transfer {
        looks += 1
        return Look(storage, job) { [unowned self] isThere in
            looks -= 1
            if isThere { return try done(job, .done) }
            var again = job
            again.mayBeThere = false
            absent.append(again)
        }
    }

    /// Gives up what was begun, as far as the server can still be reached in a moment; what remains is in the notes.
    private func abandon() {
        pool.stop()
        Interruption.shielded {
            for upload in large {
                if upload.abort() { try? notes.uploaded(upload.job.path) }
            }
        }
        large = []
    }
}

/// Looks whether a content is there.
private final class Look: Transfer {
    private let job: UploadJob
    private let done: (Bool) throws -> Void
    private var isThere = false

    init(_ storage: S3Storage, _ job: UploadJob, done: @escaping (Bool) throws -> Void) {
        self.job = job
        self.done = done
        super.init(S3Request(.head, bucket: storage.location.bucket, key: storage.key(job.path)))
    }

    override func begin(_ head: S3ResponseHead) throws {
        isThere = head.contentLength == job.size
        if case .blob(_, .etag(let name, _), _) = job.content, name.parts == 0, let etag = head.etag,
            S3Uploader.isMD5(etag, head)
        {
            isThere = isThere && etag.lowercased() == Hex.encode(name.md5)
        }
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        switch result {
        case .success: try done(isThere)
        case .failure(let failure as S3Failure) where failure.kind == .response: try done(false)
        case .failure(let error): throw error
        }
    }
}

extension S3Uploader {
    /// Whether an ETag is the MD5 of what arrived, so that it is the server's word for it.
    static func isMD5(_ etag: String, _ head: S3ResponseHead) -> Bool {
        etag.count == 32 && !head.hasOpaqueETag && Hex.decode(Array(etag.utf8)) != nil
    }
}

/// One content in one request.
///
/// A blob is known to be what its name says before anything of it is sent: under that name, another push may have put
/// it, and others may count on it.
private final class WholeUpload: Transfer {
    private let content: UploadJob.Content
    private let done: (UploadOutcome) throws -> Void
    private let md5: [UInt8]
    private var file: SharedFile?
    private var supplied: Int64 = 0

    init(_ storage: S3Storage, _ job: UploadJob, done: @escaping (UploadOutcome) throws -> Void) throws {
        content = job.content
        self.done = done
        var request = S3Request(.put, bucket: storage.location.bucket, key: storage.key(job.path))
        request.uploadLength = job.size
        switch job.content {
        case .bytes(let bytes): md5 = MD5.digest(bytes)
        case .blob(let file, let name, let partSize):
            if case .etag(let etag, _) = name, etag.parts == 0 {
                // Opened when it is sent, but looked at now, so that nothing is begun in vain. The server compares it.
                _ = try BlobCopy.open(file, name)
                md5 = etag.md5
            } else {
                md5 = try BlobCopy.checkedMD5(file, name, partSize: partSize)
            }
        }
        request.setContentMD5(md5)
        super.init(request)
    }

    override func supply(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        switch content {
        case .bytes(let bytes):
            let piece = bytes[Int(offset)...].prefix(buffer.count)
            buffer.copyBytes(from: piece)
            return piece.count
        case .blob(let path, let name, _):
            if offset == 0 {
                file = SharedFile(try BlobCopy.open(path, name))
                supplied = 0
            }
            guard let file else { throw BlobCopy.Damage(reason: "it is not open") }
            try BlobCopy.read(file, into: buffer, at: offset)
            supplied = max(supplied, offset + Int64(buffer.count))
            return buffer.count
        }
    }

    override func begin(_ head: S3ResponseHead) throws {
        guard case .blob(_, let name, _) = content else { return }
        guard supplied == name.size else { throw S3Failure.corrupt("the server answered before everything was sent") }
        if let etag = head.etag, S3Uploader.isMD5(etag, head), etag.lowercased() != Hex.encode(md5) {
            throw S3Failure.corrupt("something else has arrived than was sent")
        }
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        file = nil
        switch result {
        case .success: try done(.done)
        case .failure(let damage as BlobCopy.Damage): try done(.damaged(damage.reason))
        case .failure(let failure as S3Failure)
        where failure.kind == .corrupt || failure.code == "BadDigest" || failure.code == "InvalidDigest":
            // The network is not to blame: it was tried several times, or the server knows better.
            if case .blob(let path, let name, let partSize) = content,
                let problem = try BlobCopy.problem(path, name, partSize: partSize)
            {
                return try done(.damaged(problem))
            }
            throw failure
        case .failure(let error): throw error
        }
    }
}

extension BlobCopy {
    /// Reads some of a blob.
    static func read(_ file: SharedFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws {
        do {
            try file.read(into: buffer, at: offset)
        } catch let error as IcecoreError where error.errno == EIO || error.code == .damaged {
            throw Damage(reason: "\(error)")
        }
    }

    /// The MD5 of a blob's content.
    ///
    /// - Throws: ``Damage`` where that is not what its name says.
    static func checkedMD5(_ path: String, _ name: BlobName, partSize: Int64?) throws -> [UInt8] {
        let file = SharedFile(try open(path, name))
        var digest = BlobDigest(name, partSize: partSize)
        var md5 = MD5()
        var position: Int64 = 0
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
            while position < name.size {
                try Interruption.check()
                let piece = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[..<Int(min(Int64(buffer.count), name.size - position))])
                try read(file, into: piece, at: position)
                digest.update(UnsafeRawBufferPointer(piece))
                md5.update(UnsafeRawBufferPointer(piece))
                position += Int64(piece.count)
            }
        }
        if let problem = digest.problem() { throw Damage(reason: problem) }
        return md5.finalize()
    }

    /// What is wrong with a blob; nil: nothing.
    static func problem(_ path: String, _ name: BlobName, partSize: Int64?) throws -> String? {
        do {
            _ = try checkedMD5(path, name, partSize: partSize)
            return nil
        } catch let damage as Damage {
            return damage.reason
        }
    }
}
