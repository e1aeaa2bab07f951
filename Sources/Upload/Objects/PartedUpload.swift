import Basics
import Download
import Glibc
import Model
import S3

/// One large blob on its way to a bucket, in parts. A thread of the pool hashes it, a few parts ahead of those being
/// sent; the upload is completed only if the blob is what its name says.
final class LargeUpload: Work, @unchecked Sendable {
    // `state` is guarded by the lock of `changed`; `inFlight` belongs to the loop's thread.

    private struct HashedPart {
        var number: Int
        var range: Range<Int64>
        var md5: [UInt8]
    }

    private struct State {
        var id: String?
        var hasStarted = false
        /// Hashed, and to be sent.
        var ready: [HashedPart] = []
        var etags: [String?]
        /// The blob is not what its name says.
        var problem: String?
        var isDone = false
        var isCancelled = false
        var failure: (any Error)?
    }

    let job: UploadJob
    private let bucket: ReplicaBucket
    private let journal: UploadJournal
    private let path: String
    private let name: BlobName
    /// Those of the upload that the blob comes from.
    private let parts: PartLayout?
    private let file: SharedFile
    private let wakeup: TransferLoop.Wakeup
    /// Bytes of a part of this upload; it may differ from those of `parts`.
    private let length: Int64
    private let count: Int
    private var state: State
    /// Signalled when a part was taken or sent, and when the upload is cancelled. Only the pool's thread waits.
    private let changed = Condition()
    private var inFlight = 0

    /// The smallest part that S3 accepts, and a length that is cheap enough to send again.
    private static let smallest: Int64 = 5 << 20
    private static let usual: Int64 = 16 << 20
    private static let largest: Int64 = 1 << 30
    private static let mostCount: Int64 = 10_000
    private static let mostInFlight = 6
    /// How many parts are hashed ahead: few enough to be still in the page cache when they are sent.
    private static let mostReady = 4

    init(
        _ bucket: ReplicaBucket, _ job: UploadJob, _ path: String, _ name: BlobName, parts: PartLayout?,
        _ journal: UploadJournal, _ wakeup: TransferLoop.Wakeup
    ) throws {
        self.wakeup = wakeup
        self.bucket = bucket
        self.job = job
        self.path = path
        self.name = name
        self.parts = parts
        self.journal = journal
        file = SharedFile(try BlobCopy.open(path, name))
        length = LargeUpload.length(name.size, parts)
        count = Int((name.size - 1) / length + 1)
        state = State(etags: [String?](repeating: nil, count: count))
    }

    /// Parts of the size that the blob's own upload had save a second digest, where S3 accepts that size.
    private static func length(_ size: Int64, _ parts: PartLayout?) -> Int64 {
        if case .even(let partSize) = parts, (smallest...largest).contains(partSize), (size - 1) / partSize < mostCount
        {
            return partSize
        }
        let least = (size - 1) / mostCount + 1
        return max(usual, ((least - 1) / (1 << 20) + 1) * (1 << 20))
    }

    // MARK: - The loop's thread

    /// The next request, if one can be made now.
    func next() throws -> Transfer? {
        let (id, part, failure) = changed.withLock { () -> (String?, HashedPart?, (any Error)?) in
            if state.problem != nil { return (nil, nil, nil) }
            guard inFlight < LargeUpload.mostInFlight, !state.ready.isEmpty else {
                return (state.id, nil, state.failure)
            }
            changed.signal()
            return (state.id, state.ready.removeFirst(), state.failure)
        }
        if let failure { throw failure }
        guard let id, let part else { return nil }
        inFlight += 1
        var request = bucket.request(.put, job.path)
        request.query = [("partNumber", Array(String(part.number).utf8)), ("uploadId", Array(id.utf8))]
        request.uploadLength = Int64(part.range.count)
        request.setContentMD5(part.md5)
        return PartUpload(request, file, from: part.range.lowerBound, md5: part.md5) { [self] result in
            inFlight -= 1
            let etag = try result.get()
            changed.withLock {
                state.etags[part.number - 1] = etag
                changed.signal()
            }
        }
    }

    /// How the upload ended; nil: it has not.
    func outcome() throws -> UploadOutcome? {
        let (problem, isDone, id) = changed.withLock { (state.problem, state.isDone, state.id) }
        if isDone { return .done }
        guard let problem, inFlight == 0 else { return nil }
        // The blob is useless, and so are the parts that were sent.
        if let id { try bucket.client.abortUpload(bucket: bucket.name, key: bucket.key(job.path), id: id) }
        return .damaged(problem)
    }

    /// Ends the work of the pool's thread, which may be waiting for the network.
    func cancel() {
        changed.withLock {
            state.isCancelled = true
            changed.signal()
        }
    }

    /// Aborts the upload at the server; false: that was not possible now.
    func abort() -> Bool {
        let (id, hasStarted) = changed.withLock { (state.id, state.hasStarted) }
        guard let id else { return !hasStarted }
        var hasty = TransferLoop.Options()
        hasty.attempts = 1
        hasty.connectTimeout = 1000
        hasty.stallTimeout = 1
        let client = S3Client(bucket.client.configuration, loopOptions: hasty)
        return (try? client.abortUpload(bucket: bucket.name, key: bucket.key(job.path), id: id)) != nil
    }

    // MARK: - A thread of the pool

    func perform(isStopping: () -> Bool) {
        do {
            try work(isStopping)
        } catch let damage as BlobCopy.Damage {
            changed.withLock { state.problem = damage.reason }
        } catch {
            changed.withLock { state.failure = error }
        }
    }

    private func work(_ isStopping: () -> Bool) throws {
        changed.withLock { state.hasStarted = true }
        let id = try begin()
        try journal.didBegin(job.path, id: id)
        changed.withLock { state.id = id }
        try hash(isStopping)
        try wait { !state.etags.contains(nil) }
        let etags = changed.withLock { state.etags.compactMap { $0 } }
        try bucket.client.completeUpload(
            bucket: bucket.name, key: bucket.key(job.path), id: id, etags: etags, size: name.size)
        changed.withLock { state.isDone = true }
    }

    /// Waits for the loop's thread.
    ///
    /// - Parameter isReached: asked under the lock.
    private func wait(until isReached: () -> Bool) throws {
        changed.lock()
        defer { changed.unlock() }
        while !state.isCancelled {
            if isReached() { return }
            changed.wait()
        }
        throw IcecoreError(.interrupted, "interrupted")
    }

    /// Creates the upload. Until the journal has its ID, every upload of this key would be aborted by the next push.
    private func begin() throws -> String {
        let (client, key) = (bucket.client, bucket.key(job.path))
        let new = try client.createUpload(bucket: bucket.name, key: key)
        guard new.mayHaveTwin else { return new.id }
        do {
            for upload in try client.unfinishedUploads(bucket: bucket.name, key: key) where upload.id != new.id {
                try client.abortUpload(bucket: bucket.name, key: key, id: upload.id)
            }
        } catch let failure as S3Failure where failure.status == 403 {
            // Listing needs a separate permission; without it, a twin is left to the bucket's lifecycle rules.
        }
        return new.id
    }

    /// Hashes the parts, one after the other, and the whole on the way.
    private func hash(_ isStopping: () -> Bool) throws {
        let hasSameParts = parts == .even(length) && BlobDigest.needsParts(name)
        var whole = BlobDigest(name, parts: parts)
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
            if hasSameParts { whole.append(part: md5) }
            try wait { state.ready.count < LargeUpload.mostReady }
            changed.withLock { state.ready.append(HashedPart(number: number, range: range, md5: md5)) }
            wakeup.wake()
        }
        if let problem = whole.problem() { throw BlobCopy.Damage(reason: problem) }
    }
}
