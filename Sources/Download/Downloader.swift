import Basics
import Glibc
import Index
import Merge
import Model
import S3
import Store

/// Fetches the blobs of a queue: each content once, checked and durable, dozens at a time.
public final class Downloader {
    /// What a download came to.
    public struct Summary: Sendable {
        /// Blobs that were fetched, and their bytes.
        public internal(set) var fetched = 0
        public internal(set) var bytes: Int64 = 0
        /// Blobs that were there already, under another key or from a sync that was interrupted.
        public internal(set) var shared = 0
        public internal(set) var sharedBytes: Int64 = 0
        public internal(set) var gone = 0
        public internal(set) var failed = 0
        /// The first few failures, for people.
        public internal(set) var examples: [String] = []
        /// Requests, retries, and what is on its way.
        public internal(set) var transfers = TransferLoop.Statistics()
        /// Bytes of contents that are not complete yet.
        public internal(set) var unfinishedBytes: Int64 = 0
    }

    private let store: Store
    private let client: S3Client
    private let origin: ContentOrigin
    private let jobs: Int
    private let chunks: ChunkLimits
    private let progress: (Summary) -> Void
    private let batch: BlobBatch
    private let reader: IndexReader
    private let memory = ContentMemory()
    private var wants: WantQueue
    private var isExhausted = false
    /// Wants for which there was no room in `groups`: read when `wants` is exhausted.
    private var aside: WantQueue?
    /// How many contents had been settled when `aside` became `wants`.
    private var settledBefore = 0
    private var summary = Summary()
    /// Contents on their way, and who else wants them.
    private var groups: WantGroups
    /// Requests that go before new wants: questions for part sizes, second ways to an object.
    private var urgent: [Transfer] = []
    private var counter = 0
    /// Contents that are fetched in chunks, and those that wait for a place, or for another try at the same content.
    private var large: [ChunkedDownload] = []
    private var largeToCome: [Want] = []
    private var pool: WorkPool?
    /// Since when a mount has been reading what is to be fetched next, in milliseconds of the monotonic clock.
    private var busySince: UInt64?
    /// So long a mount is given to let go of a content.
    private static let patience: UInt64 = 5000
    private var wakeup: TransferLoop.Wakeup?
    /// So many of them at a time; each has two open files.
    private static let mostLarge = 64
    private static let mostHeld = 10_000
    /// How often a content is fetched that only a second look can judge.
    private static let mostDownloads = 3

    /// - Parameters:
    ///   - origin: where contents come from; nil: the store's bucket.
    ///   - wants: what to fetch, the most urgent first.
    ///   - jobs: the most requests in flight.
    ///   - chunks: what is fetched in chunks.
    ///   - progress: told whenever something has been fetched or given up, and four times a second.
    public init(
        _ store: Store, _ client: S3Client, origin: ContentOrigin? = nil, wants: WantQueue, jobs: Int,
        chunks: ChunkLimits = ChunkLimits(),
        progress: @escaping (Summary) -> Void
    ) throws {
        self.store = store
        self.client = client
        self.origin = origin ?? .bucket(store.configuration.bucket)
        self.wants = wants
        self.jobs = jobs
        self.chunks = chunks
        self.progress = progress
        groups = WantGroups(mostAttempts: jobs / 2)
        batch = try BlobBatch(store)
        let reader = try store.reader()
        self.reader = reader
        batch.recorded = { try reader.begin() }
    }

    /// Fetches everything. What was complete stays, also when this throws.
    public func run() throws -> Summary {
        var options = client.loopOptions
        options.maxInFlight = jobs
        let loop = try TransferLoop(client, options: options)
        let wakeup = loop.wakeup
        self.wakeup = wakeup
        defer { pool?.stop() }
        batch.notify { wakeup.wake() }
        loop.progress = { [unowned self] statistics in
            summary.transfers = statistics
            summary.unfinishedBytes = large.reduce(statistics.bytesInFlight) {
                $0.addingClamped($1.partial.present.count)
            }
            progress(summary)
        }
        do {
            try loop.run { try self.next() }
        } catch {
            try? batch.finish()
            if let failure = error as? S3Failure { throw failure.asError }
            throw error
        }
        try batch.finish()
        summary.transfers = loop.statistics
        return summary
    }

    // MARK: - What to fetch

    private func next() throws -> NextTransfer {
        try batch.check()
        if let transfer = urgent.popLast() { return .transfer(transfer) }
        while !batch.isFull {
            if let transfer = try nextChunk() { return .transfer(transfer) }
            if large.count >= Downloader.mostLarge { return .waiting }
            if let want = groups.takeReady() {
                groups.begin(want.content)
                if let transfer = try transfer(of: want) { return .transfer(transfer) }
                continue
            }
            guard let want = try nextWant() else {
                // Whoever waits for something in flight is asked about again after it.
                return groups.isEmpty && aside == nil ? .finished : .waiting
            }
            if let transfer = try transfer(for: want) { return .transfer(transfer) }
        }
        return .waiting
    }

    private func nextWant() throws -> Want? {
        while true {
            if !isExhausted {
                if let want = try wants.next() { return want }
                isExhausted = true
            }
            // What was put aside still waits for the same contents, unless one of them has been settled.
            guard let queue = aside, groups.settled > settledBefore else { return nil }
            (wants, aside) = (queue, nil)
            isExhausted = false
            settledBefore = groups.settled
        }
    }

    private func transfer(for want: Want) throws -> Transfer? {
        if groups.isUnderWay(want.content) {
            try wait(want)
            return nil
        }
        if try batch.isPending(want) || store.blob(etag: want.contentETag, size: want.size, reader) != nil {
            summary.shared += 1
            summary.sharedBytes = summary.sharedBytes.addingClamped(want.size)
            return nil
        }
        groups.begin(want.content)
        return try transfer(of: want)
    }

    /// Puts a want aside until it is known what becomes of its content under another key.
    private func wait(_ want: Want) throws {
        if groups.held < Downloader.mostHeld { return groups.wait(want) }
        let queue = try aside ?? WantQueue(directory: store.temporaryPath)
        aside = queue
        try queue.append(want)
    }

    /// The transfer of a content that is not there; nil where it takes none.
    private func transfer(of want: Want) throws -> Transfer? {
        if want.isArchived {
            try fail(want, isGone: false, "archived (its storage class needs a restore first)")
            return nil
        }
        if want.size >= chunks.threshold {
            largeToCome.append(want)
            return try nextChunk()
        }
        return try wholeTransfer(want)
    }

    private func wholeTransfer(_ want: Want) throws -> Transfer? {
        counter += 1
        let temporary = "\(store.temporaryPath)/\(counter)"
        if want.size == 0, want.etag == .empty, !want.isOpaque {
            // There is nothing to fetch of a content that is empty.
            try File(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o444).close()
            try arrived(want, temporary, .file, .checked(partSize: nil), headers: nil)
            return nil
        }
        return blobTransfer(try source(want), temporary)
    }

    private func source(_ want: Want) throws -> SourceObject {
        try SourceObject(want, origin)
    }

    private func blobTransfer(_ source: SourceObject, _ temporary: String) -> BlobTransfer {
        BlobTransfer(source, temporary: temporary, memory: memory) { [unowned self] transfer, result in
            try finished(transfer, result)
        }
    }

    // MARK: - Large contents

    /// The next chunk of a large content; on the way, those that are done are taken in, and others begin.
    private func nextChunk() throws -> Transfer? {
        var place = 0
        while place < large.count {
            if let outcome = try large[place].outcome() {
                try finished(large.remove(at: place), outcome)
                continue
            }
            if let transfer = try large[place].next() { return transfer }
            place += 1
        }
        while large.count < Downloader.mostLarge,
            let next = largeToCome.firstIndex(where: { want in !large.contains { $0.want.content == want.content } }),
            let download = try chunkedDownload(largeToCome[next])
        {
            largeToCome.remove(at: next)
            large.append(download)
            if let transfer = try download.next() { return transfer }
        }
        return urgent.popLast()
    }

    /// Nil: somebody else is at the content, and may soon be done with it.
    private func chunkedDownload(_ want: Want) throws -> ChunkedDownload? {
        let pool: WorkPool
        if let known = self.pool {
            pool = known
        } else {
            let wakeup = self.wakeup
            pool = try WorkPool { wakeup?.wake() }
            self.pool = pool
        }
        do {
            let download = try ChunkedDownload(try source(want), store, chunks, pool, privateAt: nil)
            busySince = nil
            return download
        } catch let error as IcecoreError where error.code == .busy {
            let now = MonotonicClock.milliseconds()
            guard let since = busySince else {
                busySince = now
                return nil
            }
            if now - since < Downloader.patience { return nil }
            busySince = nil
            counter += 1
            return try ChunkedDownload(
                try source(want), store, chunks, pool, privateAt: "\(store.temporaryPath)/\(counter)")
        }
    }

    private func finished(_ download: ChunkedDownload, _ outcome: ChunkedDownload.Outcome) throws {
        let want = download.want
        switch outcome {
        case .arrived(let verdict, let headers):
            var blob = BlobBatch.Finished(
                temporary: download.partial.path, partial: download.partial, name: want.contentName, want: want,
                headers: headers)
            switch verdict {
            case .checked(let partSize, let sha256):
                blob.partSize = partSize
                if let sha256 { blob.file(under: sha256) }
            case .opaque(let sha256), .unknownPartSize(let sha256):
                blob.file(under: sha256)
            case .wrong:
                return
            }
            arrived(blob)
        case .failed(let error, let isUseless):
            if isUseless { try download.partial.remove() }
            try failed(download.source, error, retry: nil)
        case .rangesAreIgnored:
            try download.partial.remove()
            if let transfer = try wholeTransfer(want) { urgent.append(transfer) }
        }
    }

    // MARK: - What became of it

    private func finished(_ transfer: BlobTransfer, _ result: Result<Void, any Error>) throws {
        switch result {
        case .success:
            guard let verdict = transfer.verdict else { return }
            if case .needsPartSize = verdict {
                // A replica knows no more of a part size than its index does.
                if transfer.source.replica != nil { return try settle(transfer, .success(nil)) }
                urgent.append(
                    DescriptionTransfer(transfer.source) { [unowned self] answer in
                        try settle(transfer, answer.map { $0?.partSize })
                    })
                return
            }
            try arrived(transfer.want, transfer.temporary, transfer.content, verdict, headers: transfer.headers)
        case .failure(let error):
            transfer.discard()
            try failed(transfer.source, error) { [unowned self] in
                var source = transfer.source
                source.byKey = true
                return blobTransfer(source, transfer.temporary)
            }
        }
    }

    private func settle(_ transfer: BlobTransfer, _ answer: Result<Int64?, any Error>) throws {
        do {
            try transfer.settle(partSize: answer.get())
        } catch let failure as S3Failure {
            if failure.kind == .corrupt, transfer.downloads < Downloader.mostDownloads { return fetchAgain(transfer) }
            // Without an answer nothing is known of the content: it is not kept as if it had been checked.
            transfer.discard()
            if failure.kind == .cancelled {
                return cancelled(transfer.want)
            }
            return try fail(transfer.want, isGone: false, failure.reason)
        } catch let replaced as SourceObject.Replaced {
            transfer.discard()
            return try failed(transfer.source, replaced, retry: nil)
        }
        guard let verdict = transfer.verdict else { return }
        if case .needsPartSize = verdict {
            if transfer.downloads < Downloader.mostDownloads { return fetchAgain(transfer) }
            transfer.discard()
            return try fail(
                transfer.want, isGone: false,
                "nothing can check it: its part size is unknown, and it came out different "
                    + "each time")
        }
        try arrived(transfer.want, transfer.temporary, transfer.content, verdict, headers: transfer.headers)
    }

    /// Fetches a content once more: a damaged one must not be believed, nor a good one refused, after a single look.
    private func fetchAgain(_ transfer: BlobTransfer) {
        let again = blobTransfer(transfer.source, transfer.temporary)
        again.earlier = transfer.earlier
        again.downloads = transfer.downloads + 1
        urgent.append(again)
    }

    private func arrived(
        _ want: Want, _ temporary: String, _ content: ArrivedContent, _ verdict: BlobTransfer.Verdict, headers: String?
    ) throws {
        var blob = BlobBatch.Finished(
            temporary: temporary, content: content, name: want.contentName, want: want, headers: headers)
        switch verdict {
        case .checked(let partSize):
            blob.partSize = partSize
            if want.isOwn { blob.file(under: try content.sha256(temporary)) }
        case .opaque, .needsPartSize:
            blob.file(under: try content.sha256(temporary))
        }
        arrived(blob)
    }

    private func arrived(_ blob: BlobBatch.Finished) {
        guard let waiting = groups.arrived(blob.want.content) else {
            // Another key has given it in the meantime.
            if case .file = blob.content { unlink(blob.temporary) }
            summary.shared += 1
            summary.sharedBytes = summary.sharedBytes.addingClamped(blob.want.size)
            return
        }
        summary.shared += waiting
        summary.sharedBytes = summary.sharedBytes.addingClamped(blob.want.size * Int64(waiting))
        batch.add(blob)
        summary.fetched += 1
        summary.bytes += blob.want.size
        progress(summary)
    }

    /// - Parameter retry: a second way to the object, by its key, where that has not been tried.
    private func failed(_ source: SourceObject, _ error: any Error, retry: (() -> Transfer)?) throws {
        let want = source.want
        if error is SourceObject.Replaced {
            // Where the version was refused by its id, it may be there all the same.
            if !source.isReplaceable {
                return try fail(want, isGone: false, "the current object is another version, and this one is refused")
            }
            return try fail(want, isGone: true, "gone: the object was replaced")
        }
        guard let failure = error as? S3Failure else { throw error }
        if failure.kind == .cancelled { return cancelled(want) }
        if Downloader.endsEverything(failure) { throw failure.asError }
        if failure.status == 403, !failure.isArchived, want.isLatest, !source.byKey, let retry {
            // Public buckets often let everybody read the current object, but not versions by their ids.
            urgent.append(retry())
            return
        }
        if source.replica != nil {
            return try fail(want, isGone: false, failure.isNotFound ? "the replica does not have it" : failure.reason)
        }
        let isById = want.versionId != nil && !source.byKey
        // A 404 that S3 did not say itself (a proxy, a wrong endpoint) says nothing about the object.
        let isSaidByS3 = failure.code == "NoSuchVersion" || failure.code == "NoSuchKey" || failure.isDeleteMarker
        if isSaidByS3, isById || want.versionId == nil {
            return try fail(want, isGone: true, "gone: the bucket no longer has it (\(failure.code))")
        }
        if failure.status == 412, want.versionId == nil {
            return try fail(want, isGone: true, "gone: the object was replaced")
        }
        try fail(want, isGone: false, failure.reason)
    }

    /// Failures that no other object would be spared.
    private static func endsEverything(_ failure: S3Failure) -> Bool {
        switch failure.code {
        case "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken",
            "RequestTimeTooSkewed", "AuthorizationHeaderMalformed", "NotSignedUp", "AllAccessDisabled",
            "PermanentRedirect", "TemporaryRedirect":
            true
        default: false
        }
    }

    private func cancelled(_ want: Want) {
        for failure in groups.cancelled(want.content) { record(failure) }
    }

    private func fail(_ want: Want, isGone: Bool, _ reason: String) throws {
        // Nothing is lost as long as another key may have the content.
        for failure in groups.failed(.init(want: want, isGone: isGone, reason: reason)) { record(failure) }
    }

    private func record(_ failure: WantGroups.Failure) {
        let want = failure.want
        batch.add(want, isGone: failure.isGone, reason: failure.reason)
        if failure.isGone { summary.gone += 1 } else { summary.failed += 1 }
        if summary.examples.count < 10 {
            let id = want.versionId.map { " (version \(String(decoding: $0, as: UTF8.self)))" } ?? ""
            summary.examples.append("\(String(decoding: want.key, as: UTF8.self))\(id): \(failure.reason)")
        }
        progress(summary)
    }
}

extension S3Failure {
    /// The failure without the object's name, for lists that name it anyway.
    fileprivate var reason: String {
        if isArchived { return "archived: it has to be restored first" }
        var anonymous = self
        anonymous.object = ""
        return anonymous.description
    }
}
