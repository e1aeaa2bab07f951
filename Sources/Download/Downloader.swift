import Basics
import Glibc
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
        public internal(set) var gone = 0
        public internal(set) var failed = 0
        /// The first few failures, for people.
        public internal(set) var examples: [String] = []
    }

    private let store: Store
    private let client: S3Client
    private let jobs: Int
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
    private static let mostHeld = 10_000
    /// How often a content is fetched that only a second look can judge.
    private static let mostDownloads = 3

    /// - Parameters:
    ///   - wants: what to fetch, the most urgent first.
    ///   - jobs: the most requests in flight.
    ///   - progress: told whenever something has been fetched or given up.
    public init(
        _ store: Store, _ client: S3Client, wants: WantQueue, jobs: Int, progress: @escaping (Summary) -> Void
    ) throws {
        self.store = store
        self.client = client
        self.wants = wants
        self.jobs = jobs
        self.progress = progress
        groups = WantGroups(mostAttempts: jobs / 2)
        batch = try BlobBatch(store)
        let reader = try store.reader()
        self.reader = reader
        batch.recorded = { try reader.begin() }
    }

    /// Fetches everything. What was complete stays, also when this throws.
    public func run() throws -> Summary {
        var options = TransferLoop.Options()
        options.maxInFlight = jobs
        let loop = try TransferLoop(client, options: options)
        let wakeup = loop.wakeup
        batch.notify { wakeup.wake() }
        do {
            try loop.run { try self.next() }
        } catch {
            try? batch.finish()
            if let failure = error as? S3Failure { throw failure.asError }
            throw error
        }
        try batch.finish()
        return summary
    }

    // MARK: - What to fetch

    private func next() throws -> NextTransfer {
        try batch.check()
        if let transfer = urgent.popLast() { return .transfer(transfer) }
        while !batch.isFull {
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
        if try batch.isPending(want) || store.blob(etag: want.etag, size: want.size, reader) != nil {
            summary.shared += 1
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
        counter += 1
        let temporary = "\(store.temporaryPath)/\(counter)"
        if want.size == 0, want.etag == .empty, !want.isOpaque {
            // There is nothing to fetch of a content that is empty.
            try File(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o444).close()
            try arrived(want, temporary, .file, .checked(partSize: nil), headers: nil)
            return nil
        }
        return blobTransfer(want, temporary, byKey: want.versionId == nil)
    }

    private func blobTransfer(_ want: Want, _ temporary: String, byKey: Bool) -> BlobTransfer {
        BlobTransfer(
            want, bucket: store.configuration.bucket, temporary: temporary, memory: memory, byKey: byKey
        ) { [unowned self] transfer, result in
            try finished(transfer, result, byKey: byKey)
        }
    }

    // MARK: - What became of it

    private func finished(_ transfer: BlobTransfer, _ result: Result<Void, any Error>, byKey: Bool) throws {
        switch result {
        case .success:
            guard let verdict = transfer.verdict else { return }
            if case .needsPartSize = verdict {
                urgent.append(
                    PartSizeTransfer(transfer) { [unowned self] answer in try settle(transfer, answer) })
                return
            }
            try arrived(transfer.want, transfer.temporary, transfer.content, verdict, headers: transfer.headers)
        case .failure(let error):
            transfer.discard()
            try failed(transfer, error, byKey: byKey)
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
        let again = blobTransfer(transfer.want, transfer.temporary, byKey: transfer.request.versionId == nil)
        again.earlier = transfer.earlier
        again.downloads = transfer.downloads + 1
        urgent.append(again)
    }

    private func arrived(
        _ want: Want, _ temporary: String, _ content: ArrivedContent, _ verdict: BlobTransfer.Verdict, headers: String?
    ) throws {
        guard let waiting = groups.arrived(want.content) else {
            // Another key has given it in the meantime.
            if case .file = content { unlink(temporary) }
            summary.shared += 1
            return
        }
        summary.shared += waiting
        var blob = BlobBatch.Finished(
            temporary: temporary, content: content, name: want.contentName, want: want, headers: headers)
        switch verdict {
        case .checked(let partSize):
            blob.partSize = partSize
        case .opaque, .needsPartSize:
            let sha256 = try content.sha256(temporary)
            blob.sha256 = sha256
            blob.name = Blobs.name(sha256: sha256, size: want.size)
        }
        batch.add(blob)
        summary.fetched += 1
        summary.bytes += want.size
        progress(summary)
    }

    private func failed(_ transfer: BlobTransfer, _ error: any Error, byKey: Bool) throws {
        let want = transfer.want
        if error is BlobTransfer.Replaced {
            return try fail(want, isGone: true, "gone: the object was replaced")
        }
        guard let failure = error as? S3Failure else { throw error }
        if failure.kind == .cancelled { return cancelled(want) }
        if Downloader.endsEverything(failure) { throw failure.asError }
        if failure.status == 403, !failure.isArchived, want.isLatest, !byKey {
            // Public buckets often let everybody read the current object, but not versions by their ids.
            urgent.append(blobTransfer(want, transfer.temporary, byKey: true))
            return
        }
        let isById = want.versionId != nil && !byKey
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
