import Basics
import Foundation
import Model
import S3
import Store
import Synchronization

/// Somebody who waits for bytes of a content that is not in the store. Called on the fetcher's thread, and answered once.
public protocol ContentReader: AnyObject, Sendable {
    /// The bytes wanted, within the content; not empty.
    var range: Range<Int64> { get }
    /// What the reader calls the file that it reads.
    var file: UInt64 { get }
    /// Nobody waits any more.
    var hasLeft: Bool { get }
    /// The bytes; they are gone when this returns.
    func answer(_ bytes: UnsafeRawBufferPointer)
    func fail(_ error: IcecoreError)
}

/// Fetches contents when they are read: small ones whole and checked before anybody sees them, large ones as far as they
/// are read, and some way ahead of those who read on and on. What has come stays in the store, where a later read or a sync completes
/// it; what is complete and checked becomes a blob.
///
/// One thread does all of it; it begins with the first read. Many who want the same bytes cause one request.
public final class ContentFetcher: @unchecked Sendable {
    // Everything below the channel belongs to the fetcher's thread.

    private enum Message: Sendable {
        case read(Want, any ContentReader)
        /// Something has been done elsewhere.
        case news
    }

    private struct Shared {
        var isStarted = false
        var isStopping = false
        var wakeup: TransferLoop.Wakeup?
    }

    private let store: Store
    private let origin: ContentOrigin
    private let makeClient: @Sendable () throws -> S3Client
    private let log: @Sendable (String) -> Void
    private let distrust: @Sendable (Set<UInt64>) -> Void
    private let shared = Mutex(Shared())
    private let messages = Channel<Message>(limit: .max)
    private let ended = DispatchSemaphore(value: 0)

    private var client: S3Client?
    private var loop: TransferLoop?
    private var batch: BlobBatch?
    private var pool: WorkPool?
    /// The one used last at the end.
    private var contents: [FetchedContent] = []

    /// So many contents keep their files open for the next read, and for so many milliseconds.
    private static let mostIdle = 8
    private static let longestIdle: UInt64 = 1000
    /// So many contents, with their open files, may wait to get their names.
    private let mostPending: Int
    /// Reads that wait until there are files to be had again, and since when.
    private var waiting: [(want: Want, reader: any ContentReader, since: UInt64)] = []
    private static let patience: UInt64 = 10_000
    private static let jobs = 32

    /// - Parameters:
    ///   - origin: where contents come from; nil: the store's bucket.
    ///   - log: told, on any thread, what goes wrong.
    ///   - distrust: told, on the fetcher's thread, of files whose readers were given bytes that turned out to be wrong.
    ///   - client: how to reach it; asked once, on the fetcher's thread.
    public init(
        _ store: Store, from origin: ContentOrigin? = nil, log: @escaping @Sendable (String) -> Void,
        distrust: @escaping @Sendable (Set<UInt64>) -> Void, client: @escaping @Sendable () throws -> S3Client
    ) {
        self.store = store
        self.origin = origin ?? .bucket(store.configuration.bucket)
        makeClient = client
        self.log = log
        self.distrust = distrust
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        // Two files each; the mount has some forty of its own.
        mostPending = max(2, min(16, (Int(clamping: limit.rlim_cur) - 48) / 4))
    }

    /// Answers a reader as soon as the bytes are there. To be called from any thread.
    public func read(_ want: Want, _ reader: any ContentReader) {
        let isRunning: Bool
        do {
            isRunning = try shared.withLock { shared throws(IcecoreError) -> Bool in
                if shared.isStopping { return false }
                if !shared.isStarted {
                    try SystemThread.detach("content-fetcher") { [self] in work() }
                    shared.isStarted = true
                }
                return true
            }
        } catch {
            return reader.fail(error)
        }
        guard isRunning, messages.send(.read(want, reader)) else {
            return reader.fail(IcecoreError(.interrupted, "the mount is being taken away"))
        }
        wake()
    }

    /// Fails everybody who waits, and ends; returns when nobody will be answered any more.
    public func stop() {
        let isStarted = shared.withLock { shared in
            shared.isStopping = true
            return shared.isStarted
        }
        messages.close()
        wake()
        if isStarted { ended.wait() }
    }

    private func hearNews() {
        messages.send(.news)
        wake()
    }

    private func wake() {
        shared.withLock(\.wakeup)?.wake()
    }

    private var isStopping: Bool { shared.withLock(\.isStopping) }

    // MARK: - The thread

    private func work() {
        while let message = messages.receive() {
            take(message)
            do {
                if isStopping { break }
                try run()
            } catch {
                failAll(error)
            }
        }
        while let message = messages.receiveNow() { take(message) }
        failAll(IcecoreError(.interrupted, "the mount is being taken away"))
        pool?.stop()
        try? batch?.finish()
        ended.signal()
    }

    /// Works until nobody waits and nothing is on its way.
    private func run() throws {
        let client: S3Client
        if let known = self.client {
            client = known
        } else {
            client = try makeClient()
            self.client = client
        }
        let loop: TransferLoop
        if let known = self.loop {
            loop = known
        } else {
            try client.resolveCredentials()
            var options = TransferLoop.Options()
            options.maxInFlight = ContentFetcher.jobs
            // A person is waiting.
            options.attempts = 4
            options.stallTimeout = 10
            options.maxBackoff = 2000
            loop = try TransferLoop(client, options: options)
            self.loop = loop
            let wakeup = loop.wakeup
            shared.withLock { $0.wakeup = wakeup }
        }
        try loop.run { try self.next() }
    }

    private func next() throws -> NextTransfer {
        if isStopping { throw IcecoreError(.interrupted, "the mount is being taken away") }
        while let message = messages.receiveNow() { take(message) }
        checkBatch()
        let again = waiting
        waiting = []
        for (want, reader, since) in again { begin(want, reader, since: since) }
        var isBusy = !waiting.isEmpty
        let isFull = batch.map { $0.pendingCount >= mostPending } ?? false
        for content in contents {
            if let transfer = content.next(mayBegin: !isFull) { return .transfer(transfer) }
            isBusy = isBusy || content.isBusy
        }
        forget()
        return isBusy || !contents.isEmpty ? .waiting : .finished
    }

    private func take(_ message: Message) {
        guard case .read(let want, let reader) = message else { return }
        begin(want, reader, since: MonotonicClock.milliseconds())
    }

    private func begin(_ want: Want, _ reader: any ContentReader, since: UInt64) {
        do {
            try content(want).add(reader, try SourceObject(want, origin))
        } catch let error as IcecoreError
            where error.errno == EMFILE && !contents.isEmpty
            && MonotonicClock.milliseconds() < since + ContentFetcher.patience
        {
            // Others will let go of theirs.
            waiting.append((want, reader, since))
        } catch {
            reader.fail(error as? IcecoreError ?? IcecoreError(.system, "\(error)"))
        }
    }

    private func content(_ want: Want) throws -> FetchedContent {
        if let place = contents.lastIndex(where: { $0.want.content == want.content }) {
            let known = contents[place]
            if !known.isOver {
                contents.remove(at: place)
                contents.append(known)
                return known
            }
        }
        let pool: WorkPool
        if let known = self.pool {
            pool = known
        } else {
            pool = try WorkPool { [weak self] in self?.hearNews() }
            self.pool = pool
        }
        let content = try FetchedContent(
            try SourceObject(want, origin), store, pool, log: log,
            keep: { [unowned self] blob in keep(blob) }, distrust: distrust)
        contents.append(content)
        return content
    }

    /// Lets go of the contents that nobody reads any more, so that others may have them.
    private func forget() {
        let now = MonotonicClock.milliseconds()
        var surplus = contents.count - ContentFetcher.mostIdle
        contents.removeAll { content in
            // Requests come back to their content, so it has to be there.
            if content.hasRequests { return false }
            if content.isOver { return true }
            if content.isDone { return !(batch?.isPending(content.want) ?? false) }
            guard !content.isBusy,
                surplus > 0 || !waiting.isEmpty || now >= content.touched + ContentFetcher.longestIdle
            else {
                return false
            }
            surplus -= 1
            return true
        }
    }

    private func failAll(_ error: any Error) {
        let failure = (error as? S3Failure)?.asError ?? error as? IcecoreError ?? IcecoreError(.system, "\(error)")
        for content in contents { content.failAll(failure) }
        for (_, reader, _) in waiting { reader.fail(failure) }
        waiting = []
        contents.removeAll()
        loop = nil
        shared.withLock { $0.wakeup = nil }
    }

    // MARK: - What is complete

    /// Gives a content that is complete and checked its name. Where that cannot be done now (the store cannot be written
    /// to), it stays what it is: the next sync does it.
    private func keep(_ blob: BlobBatch.Finished) {
        do {
            let batch = try self.batch ?? BlobBatch(store)
            if self.batch == nil { batch.notify { [weak self] in self?.hearNews() } }
            self.batch = batch
            batch.add(blob)
        } catch {
            log("a content that was fetched cannot be kept: \(error)")
        }
    }

    private func checkBatch() {
        do {
            try batch?.check()
        } catch {
            batch = nil
            log("contents that were fetched cannot be kept: \(error)")
        }
    }
}

extension S3Client {
    /// A client for a store's bucket.
    ///
    /// - Parameters:
    ///   - environment: of the process: credentials, endpoint, region.
    ///   - requesterPays: also where the store's configuration does not say so.
    public convenience init(
        _ store: Store, environment: [String: String], requesterPays: Bool = false,
        loopOptions: TransferLoop.Options = TransferLoop.Options()
    ) throws {
        let configuration = store.configuration
        self.init(
            try S3Configuration(
                region: configuration.region, endpointURL: configuration.endpointURL, profile: configuration.profile,
                unsigned: configuration.noSignRequest ?? false,
                requesterPays: requesterPays || configuration.requesterPays ?? false, environment: environment),
            loopOptions: loopOptions)
    }
}
