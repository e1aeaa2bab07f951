import Basics
import Blobs
import Glibc
import Index
import Merge
import Model
import S3
import Store

/// Fetches the contents of a queue: each once, checked and durable, dozens at a time. Only for the holder of the store's
/// lock, since small contents may go into packs.
///
/// The way of a content: ``FetchGroups`` chooses a key, ``WholeTransfer`` or ``ChunkedDownload`` fetches and checks it, and
/// ``BlobCommitter`` makes it a blob. Large contents come in chunks, since a failure then costs no more than a chunk.
public final class Downloader {
    private let store: Store
    private let client: S3Client
    private let origin: ContentOrigin
    private let jobs: Int
    private let chunks: ChunkLimits
    private let progress: (DownloadSummary) -> Void
    private let committer: BlobCommitter
    private let reader: IndexReader
    private let blobs: BlobFinder
    private let memory = ContentMemory()
    private var wants: FetchQueue
    private var isExhausted = false
    /// Wants for which `groups` had no room: read when `wants` is exhausted.
    private var aside: FetchQueue?
    /// How many contents had been settled when `aside` became `wants`.
    private var settledBefore = 0
    private var summary = DownloadSummary()
    private var brake: FetchBrake
    private let account: AccountCheck
    /// Asks for headers that come with no content.
    private let inquiry: HeaderInquiry
    /// Contents in flight, and the other keys that have them.
    private var groups: FetchGroups
    /// Requests that go before new wants: by key after a refusal.
    private var urgent: [Transfer] = []
    /// Contents that have arrived, and that more has to be known of.
    private var undecided: [UndecidedContent] = []
    private var counter = 0
    /// Contents that are fetched in chunks, and those that wait for a place or for another attempt at the same content.
    private var large: [ChunkedDownload] = []
    private var largeToCome: [FetchRequest] = []
    private var pool: WorkPool?
    /// Since when another process has held the next large content, in milliseconds of the monotonic clock.
    private var busySince: UInt64?
    private var saidBusy = false
    /// How long to wait for it to let go, in milliseconds.
    private static let patience: UInt64 = 5000
    private var wakeup: TransferLoop.Wakeup?
    /// The most large contents at a time; each has two open files.
    private static let mostLarge = 64
    /// The most wants and failures that `groups` keeps in memory.
    private static let mostHeld = 10_000

    /// - Parameters:
    ///   - origin: where contents come from; nil: the store's bucket.
    ///   - wants: what to fetch, the most urgent first.
    ///   - headerWants: of which versions only the headers are wanted.
    ///   - headers: where headers are recorded.
    ///   - jobs: the most requests in flight.
    ///   - chunks: which contents are fetched in chunks.
    ///   - acceptsLosses: the source is believed even if it denies most of the contents.
    ///   - progress: called whenever something has been fetched or given up, and four times a second.
    public init(
        _ store: Store, _ client: S3Client, origin: ContentOrigin? = nil, wants: FetchQueue,
        headerWants: FetchQueue? = nil, headers: HeaderDestination, jobs: Int,
        chunks: ChunkLimits = ChunkLimits(), acceptsLosses: Bool = false,
        progress: @escaping (DownloadSummary) -> Void
    ) throws {
        self.store = store
        self.client = client
        self.origin = origin ?? ContentOrigin(store)
        self.wants = wants
        self.jobs = jobs
        self.chunks = chunks
        self.progress = progress
        brake = FetchBrake(
            acceptsLosses: acceptsLosses, latest: wants.latest, server: client.server(of: store.configuration.bucket))
        groups = FetchGroups(mostAttempts: jobs / 2)
        let committer = try BlobCommitter(store, headers: headers, keepsFacts: origin == nil, small: .packs)
        self.committer = committer
        let account = AccountCheck(bucket: self.origin.bucketName)
        self.account = account
        inquiry = try HeaderInquiry(store, self.origin, headers, account, wants: headerWants) {
            committer.add($0, $1, isComplete: $2)
        }
        let reader = try store.reader()
        self.reader = reader
        blobs = BlobFinder(store.blobs)
        committer.recorded = { try reader.begin() }
    }

    /// Fetches everything. What was complete stays, even if this throws.
    public func run() throws -> DownloadSummary {
        var options = client.loopOptions
        options.maxInFlight = jobs
        let loop = try TransferLoop(client, options: options)
        let wakeup = loop.wakeup
        self.wakeup = wakeup
        defer { pool?.stop() }
        committer.notify { wakeup.wake() }
        loop.progress = { [unowned self] statistics in
            summary.transfers = statistics
            summary.unfinishedBytes = large.reduce(statistics.bytesInFlight) {
                $0.addingClamped($1.partial.present.count)
            }
            progress(summary)
        }
        let records = try BlobRecords(store)
        // Of a run that was stopped before it could tell whether to believe them.
        try records.forgetLosses()
        do {
            do {
                try loop.run { try self.next() }
            } catch let failure where isComplete {
                // For want of headers alone, nothing is given up: the next sync asks again.
                try inquiry.end(failure)
            }
            if let error = brake.error(isAtEnd: true) { throw error }
        } catch {
            try? committer.finish()
            try? records.forgetLosses()
            if let failure = error as? S3Failure { throw failure.asError }
            throw error
        }
        try committer.finish()
        try records.confirmLosses()
        summary.transfers = loop.statistics
        summary.headers = inquiry.outcome
        summary.denials = brake.denials
        return summary
    }

    // MARK: - What to fetch

    /// Whether all contents have arrived or been given up: only headers may still be asked for.
    private var isComplete: Bool { isExhausted && groups.isEmpty && aside == nil && undecided.isEmpty }

    private func next() throws -> NextTransfer {
        try committer.check()
        if let transfer = urgent.popLast() { return .transfer(transfer) }
        for content in undecided {
            if let transfer = content.next() { return .transfer(transfer) }
        }
        while !committer.isFull {
            if let transfer = try nextChunk() { return .transfer(transfer) }
            if large.count >= Downloader.mostLarge { return try nextHeaders() ?? .waiting }
            if let want = groups.takeReady() {
                groups.begin(want.content)
                if let transfer = try transfer(of: want) { return .transfer(transfer) }
                continue
            }
            guard let want = try nextWant() else {
                if let transfer = try nextHeaders() { return transfer }
                // What waits for something in flight is decided after that.
                return groups.isEmpty && aside == nil && inquiry.isDone && !account.isBusy ? .finished : .waiting
            }
            if let transfer = try transfer(for: want) { return .transfer(transfer) }
        }
        return .waiting
    }

    /// The next request for headers alone: nothing else is to be fetched now.
    private func nextHeaders() throws -> NextTransfer? {
        try inquiry.next().map { .transfer($0) }
    }

    private func nextWant() throws -> FetchRequest? {
        while true {
            if !isExhausted {
                if let want = try wants.next() { return want }
                isExhausted = true
            }
            // What was put aside still waits for the same contents unless one of them has been settled.
            guard let queue = aside, groups.settled > settledBefore else { return nil }
            (wants, aside) = (queue, nil)
            isExhausted = false
            settledBefore = groups.settled
        }
    }

    private func transfer(for want: FetchRequest) throws -> Transfer? {
        if groups.isUnderWay(want.content) {
            try wait(want)
            return nil
        }
        if try committer.isPending(want) || isThere(want) {
            brake.arrived(want)
            summary.shared += 1
            summary.sharedBytes = summary.sharedBytes.addingClamped(want.size)
            try askHeaders(of: want)
            return nil
        }
        groups.begin(want.content)
        return try transfer(of: want)
    }

    private func isThere(_ want: FetchRequest) throws -> Bool {
        let (etag, size) = (want.contentETag, want.size)
        return try blobs.find(etag: etag, size: size) { try reader.blobFacts(etag: etag, size: size).sha256 } != nil
    }

    /// Puts a want aside until its content has been fetched, or not, under another key.
    private func wait(_ want: FetchRequest) throws {
        if groups.held < Downloader.mostHeld { return groups.wait(want) }
        let queue = try aside ?? FetchQueue(directory: store.temporaryPath)
        aside = queue
        try queue.append(want)
    }

    /// The transfer of a content that is not there; nil if there is none to start now.
    private func transfer(of want: FetchRequest) throws -> Transfer? {
        if want.size >= chunks.threshold {
            largeToCome.append(want)
            return try nextChunk()
        }
        return try wholeTransfer(want)
    }

    private func wholeTransfer(_ want: FetchRequest) throws -> Transfer? {
        counter += 1
        let temporary = "\(store.temporaryPath)/\(counter)"
        let source = try source(want)
        if want.size == 0, let verdict = try source.verdictOfNothing() {
            // An empty content needs no request.
            try File(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o444).close()
            try arrived(CheckedContent(want, verdict, temporary: temporary, headers: nil))
            return nil
        }
        return wholeTransfer(source, temporary)
    }

    private func source(_ want: FetchRequest) throws -> SourceObject {
        try SourceObject(want, origin)
    }

    private func wholeTransfer(_ source: SourceObject, _ temporary: String) -> WholeTransfer {
        WholeTransfer(source, temporary: temporary, memory: memory) { [unowned self] transfer, result in
            try finished(transfer, result)
        }
    }

    // MARK: - Large contents

    /// The next chunk of a large content. Takes in contents that are done, and begins others.
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
            let download = try chunkedDownload(at: next)
        {
            largeToCome.remove(at: next)
            large.append(download)
            if let transfer = try download.next() { return transfer }
        }
        return urgent.popLast()
    }

    /// Nil: nothing begins now.
    private func chunkedDownload(at place: Int) throws -> ChunkedDownload? {
        do {
            return try chunkedDownload(largeToCome[place])
        } catch let error as IcecoreError where error.errno == EFBIG {
            try failTooLarge(largeToCome.remove(at: place))
            return nil
        }
    }

    /// Nil: another process holds the content, and may soon let go of it.
    private func chunkedDownload(_ want: FetchRequest) throws -> ChunkedDownload? {
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
            if !saidBusy, now - since >= 1000 {
                saidBusy = true
                LockWait.say(error.message)
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
            try arrived(
                CheckedContent(
                    want, verdict, temporary: download.partial.path, partial: download.partial, headers: headers))
        case .failed(let error, let isUseless):
            if isUseless || download.partial.present.count == 0 { try download.partial.remove() }
            try failed(download.source, error, retry: nil)
        case .rangesAreIgnored:
            try download.partial.remove()
            if let transfer = try wholeTransfer(want) { urgent.append(transfer) }
        }
    }

    // MARK: - Results

    private func finished(_ transfer: WholeTransfer, _ result: Result<Void, any Error>) throws {
        switch result {
        case .success:
            guard case .undecided = transfer.verdict else { return try arrived(transfer) }
            undecided.append(
                try UndecidedContent(transfer) { [unowned self] content, transfer, result in
                    undecided.removeAll { $0 === content }
                    try decided(transfer, result)
                })
        case .failure(let error):
            transfer.discard()
            try failed(transfer.source, error) { [unowned self] in
                var source = transfer.source
                source.byKey = true
                return wholeTransfer(source, transfer.temporary)
            }
        }
    }

    private func decided(_ transfer: WholeTransfer, _ result: Result<Void, any Error>) throws {
        switch result {
        case .success: try arrived(transfer)
        case .failure(let error):
            // Without an answer the content is unchecked: it is not kept.
            transfer.discard()
            try failed(transfer.source, error, retry: nil)
        }
    }

    private func arrived(_ transfer: WholeTransfer) throws {
        guard let verdict = transfer.verdict else { return }
        try arrived(
            CheckedContent(
                transfer.want, verdict, temporary: transfer.temporary, content: transfer.content,
                headers: transfer.headers))
    }

    /// - Parameter blob: nil where nothing vouches for the content, which does not come this far.
    private func arrived(_ blob: CheckedContent?) throws {
        guard var blob else { return }
        account.succeeded()
        try askTags(of: &blob)
        guard let waiting = groups.arrived(blob.want.content) else {
            // It has come through another key in the meantime.
            if case .file = blob.content { unlink(blob.temporary) }
            if let received = blob.headers { committer.add(blob.want, received.headers, isComplete: true) }
            summary.shared += 1
            summary.sharedBytes = summary.sharedBytes.addingClamped(blob.want.size)
            return
        }
        brake.arrived(blob.want, and: (waiting.all, waiting.latest))
        for want in waiting.unasked { try askHeaders(of: want) }
        summary.shared += waiting.all
        summary.sharedBytes = summary.sharedBytes.addingClamped(blob.want.size * Int64(waiting.all))
        committer.add(blob)
        summary.fetched += 1
        summary.bytes += blob.want.size
        progress(summary)
    }

    /// Has the headers of a version asked for whose content came otherwise.
    private func askHeaders(of want: FetchRequest) throws {
        if want.wantsHeaders { try inquiry.add(want) }
    }

    /// Has what did not come with a content asked for: the tags, or all headers of one that needed no request.
    private func askTags(of blob: inout CheckedContent) throws {
        guard let received = blob.headers else { return try askHeaders(of: blob.want) }
        guard received.tagCount > 0, inquiry.isOn else { return }
        var want = blob.want
        want.knownHeaders = received.headers
        try inquiry.add(want)
        blob.headers = nil
    }

    /// - Parameter retry: makes the request by key; nil where there is no such second way.
    private func failed(_ source: SourceObject, _ error: any Error, retry: (() -> Transfer)?) throws {
        let want = source.want
        if error is SourceObject.Replaced {
            // The version was refused by its id, but it may still exist.
            if !source.isReplaceable || (source.byKey && want.versionId != nil) {
                return try fail(want, .refused, "the current object is another version, and this one is refused")
            }
            return try fail(want, .gone, "gone: the object was replaced")
        }
        if (error as? IcecoreError)?.errno == EFBIG { return try failTooLarge(want) }
        guard let failure = error as? S3Failure else { throw error }
        if failure.kind == .cancelled { return cancelled(want) }
        let probe = try account.judge(failure) { [unowned self] in try failed(source, failure, retry) }
        if let probe { urgent.append(probe) }
    }

    /// An object's own failure.
    private func failed(_ source: SourceObject, _ failure: S3Failure, _ retry: (() -> Transfer)?) throws {
        let want = source.want
        if let retry, source.isWorthAskingByKey(after: failure) {
            urgent.append(retry())
            return
        }
        if source.replica != nil {
            return try fail(want, .missing, failure.isNotFound ? "the replica does not have it" : failure.reason)
        }
        let isById = want.versionId != nil && !source.byKey
        // A 404 from something other than S3 (a proxy, a wrong endpoint) says nothing about the object.
        let isSaidByS3 =
            failure.code == "NoSuchVersion" || failure.code == "NoSuchKey" || failure.isDeleteMarker
        if isSaidByS3, isById || want.versionId == nil {
            let answer = failure.isDeleteMarker ? "a delete marker has its version id" : failure.code
            return try fail(want, .gone, "gone: the bucket no longer has it (\(answer))")
        }
        if failure.status == 412, want.versionId == nil {
            return try fail(want, .gone, "gone: the object was replaced")
        }
        if failure.status == 412, source.byKey {
            return try fail(want, .refused, "the current object is another version, and this one is refused")
        }
        try fail(want, failure.kindOfFailure, failure.reason)
    }

    private func failTooLarge(_ want: FetchRequest) throws {
        try fail(
            want, .missing,
            "its \(want.size) bytes are more than a file may have on the file system of the store, or by the limit on "
                + "this process (ulimit -f)")
    }

    private func cancelled(_ want: FetchRequest) {
        for failure in groups.cancelled(want.content) { record(failure) }
    }

    private func fail(_ want: FetchRequest, _ kind: FetchFailure, _ reason: String) throws {
        // Nothing is recorded as long as another key may have the content.
        for failure in groups.failed(.init(want: want, kind: kind, reason: reason)) { record(failure) }
        if let error = brake.error(isAtEnd: false) { throw error }
    }

    private func record(_ failure: FetchGroups.Failure) {
        let want = failure.want
        committer.add(want, failure.kind, reason: failure.reason)
        brake.lost(want, failure.kind, reason: failure.reason)
        summary.count(failure.kind, want.size)
        // Not worth a line each: they are as the owner of the bucket wants them.
        if failure.kind != .archived, failure.kind != .encrypted, summary.examples.count < 10 {
            let id = want.versionId.map { " (version \(String(decoding: $0, as: UTF8.self)))" } ?? ""
            summary.examples.append("\(String(decoding: want.key, as: UTF8.self))\(id): \(failure.reason)")
        }
        progress(summary)
    }
}

extension S3Failure {
    /// What it means for an object whose GET failed.
    fileprivate var kindOfFailure: FetchFailure {
        if isArchived { return .archived }
        if isEncryptedByCustomer { return .encrypted }
        return status == 401 || status == 403 || code.hasPrefix("KMS.") ? .refused : .missing
    }

    /// The failure without the object's name, for lists that name the object anyway.
    fileprivate var reason: String {
        if isArchived { return "archived: it has to be restored first" }
        if isEncryptedByCustomer {
            return "encrypted with a key of its owner (SSE-C): without that key, nobody can read it"
        }
        var anonymous = self
        anonymous.object = ""
        return anonymous.description
    }
}
