import Basics
import Download
import S3
import Upload

/// Sends many contents to a bucket at once: small ones in one request each, large ones in parts.
///
/// Nothing is held in memory: contents are read from the disk as the network takes them, and hashed on the way.
final class S3Uploader {
    private let bucket: ReplicaBucket
    private let journal: UploadJournal
    private let loop: TransferLoop
    private let pool: WorkPool
    private var large: [(job: UploadJob, upload: PartedUpload)] = []
    private var isExhausted = false
    /// Checked for, and not there.
    private var toSend: [UploadJob] = []
    private var checksInFlight = 0
    private var done: (UploadJob, UploadOutcome) throws -> Void = { _, _ in }

    /// Contents of at least this size are sent in parts.
    static let threshold: Int64 = 32 << 20
    /// How many of them are sent at a time.
    private static let mostLarge = 2

    init(_ bucket: ReplicaBucket, journal: UploadJournal) throws {
        self.bucket = bucket
        self.journal = journal
        loop = try TransferLoop(bucket.client, options: bucket.loopOptions)
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
                pool.stop()
                PartedUpload.abandon(large.map(\.upload), bucket.client)
                large = []
                throw error
            }
        }
        progress(loop.statistics.bytes)
    }

    private func next(_ source: () throws -> UploadJob?) throws -> NextTransfer {
        var place = 0
        while place < large.count {
            let (job, upload) = large[place]
            if let result = upload.result {
                if upload.leavesNothing { try journal.didEnd(job.path) }
                let outcome = try result.get()
                large.remove(at: place)
                try done(job, outcome)
                continue
            }
            if let transfer = try upload.next() { return .transfer(transfer) }
            place += 1
        }
        guard large.count < S3Uploader.mostLarge else { return .waiting }
        while let job = try nextJob(source) {
            do {
                if job.mayExist { return .transfer(check(for: job)) }
                if job.size >= S3Uploader.threshold, case .blob = job.payload { return try begin(job) }
                return .transfer(
                    try WholeUpload(bucket.object(job.path), job.payload) { [unowned self] result in
                        try self.done(job, result.get())
                    })
            } catch let damage as BlobCopy.Damage {
                try done(job, .damaged(damage.reason))
            }
        }
        return large.isEmpty && checksInFlight == 0 ? .finished : .waiting
    }

    private func begin(_ job: UploadJob) throws -> NextTransfer {
        guard case .blob(let place, let name, let parts) = job.payload else { return .waiting }
        let source = try BlobParts(
            place, name, parts: parts, division: BlobParts.division(name.size, parts), pool)
        try journal.willBegin(job.path)
        let upload = PartedUpload(
            bucket.client, bucket.object(job.path), name: job.path, size: name.size, source, journal)
        large.append((job, upload))
        return try upload.next().map { .transfer($0) } ?? .waiting
    }

    private func nextJob(_ source: () throws -> UploadJob?) throws -> UploadJob? {
        if let job = toSend.popLast() { return job }
        if !isExhausted, let job = try source() { return job }
        isExhausted = true
        return nil
    }

    /// A request that tells whether a blob is there: for a large one, far cheaper than sending it again.
    private func check(for job: UploadJob) -> Transfer {
        checksInFlight += 1
        return PresenceCheck(bucket, job) { [unowned self] isPresent in
            checksInFlight -= 1
            if isPresent { return try done(job, .done(MadeObject())) }
            var again = job
            again.mayExist = false
            toSend.append(again)
        }
    }
}
