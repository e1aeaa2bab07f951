import Basics
import Foundation
import Model
import S3
import Store
import Synchronization

/// Fetches contents when they are read: small ones whole, and checked before anyone sees them; large ones as far as they
/// are read, and some way ahead of sequential readers. What has arrived stays in the store, where a later read or a sync
/// completes it; what is complete and checked becomes a blob.
///
/// One thread does all of it, and starts with the first read. Several readers of the same bytes cause one request.
public final class ContentFetcher: @unchecked Sendable {
    // Everything below the channel belongs to the fetcher's thread.

    private enum Message: Sendable {
        case read(FetchRequest, any ContentReader)
        /// Another thread has finished something.
        case news
    }

    private struct Shared {
        var isStarted = false
        var isStopping = false
        var wakeup: TransferLoop.Wakeup?
    }

    private let store: Store
    private let origin: ContentOrigin
    private let place: ContentPlace
    private let isOwnBucket: Bool
    private let makeClient: @Sendable () throws -> S3Client
    private let log: @Sendable (String) -> Void
    private let distrust: @Sendable (Set<UInt64>) -> Void
    private let shared = Mutex(Shared())
    private let messages = Channel<Message>(limit: .max)
    private let ended = DispatchSemaphore(value: 0)

    private var client: S3Client?
    private var loop: TransferLoop?
    private var committer: BlobCommitter?
    private var pool: WorkPool?
    /// The most recently used one comes last.
    private var contents: [FetchedContent] = []
    /// Nil: the source has no packs.
    private let windows: PackWindows?

    /// How many idle contents keep their files open for the next read, and for how many milliseconds.
    private static let mostIdle = 8
    private static let longestIdle: UInt64 = 1000
    /// The most contents, with their open files, that may wait for their names.
    private let mostPending: Int
    /// Reads that wait for free file descriptors, and since when.
    private var waiting: [(want: FetchRequest, reader: any ContentReader, since: UInt64)] = []
    private static let patience: UInt64 = 10_000
    private static let jobs = 32

    /// - Parameters:
    ///   - origin: where contents come from; nil: the store's bucket.
    ///   - restore: makes the store's directories again if they are gone; nil: `tmp/`.
    ///   - log: called, on any thread, with what goes wrong.
    ///   - distrust: called, on the fetcher's thread, with files whose readers were given bytes that turned out to be wrong.
    ///   - client: makes the client; called once, on the fetcher's thread.
    public init(
        _ store: Store, from origin: ContentOrigin? = nil, restore: (@Sendable () throws -> Void)? = nil,
        log: @escaping @Sendable (String) -> Void,
        distrust: @escaping @Sendable (Set<UInt64>) -> Void, client: @escaping @Sendable () throws -> S3Client
    ) {
        self.store = store
        self.origin = origin ?? ContentOrigin(store)
        place = ContentPlace(store, restore: restore ?? { try store.restoreTemporary() }, log: log)
        isOwnBucket = origin == nil
        windows = PackWindows(store, self.origin, restore: restore ?? { try store.restoreTemporary() }, log: log)
        makeClient = client
        self.log = log
        self.distrust = distrust
        // Two files each; the mount needs some forty itself.
        mostPending = max(2, min(16, (limitOfOpenFiles() - 48) / 4))
    }

    /// Answers a reader as soon as the bytes are there. May be called from any thread.
    public func read(_ want: FetchRequest, _ reader: any ContentReader) {
        if want.etag.isUnknown {
            return reader.fail(
                IcecoreError(.unsupported, "the inventory has no ETags, so nothing says what its content is"))
        }
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
            return reader.fail(IcecoreError(.interrupted, "the file system is being unmounted"))
        }
        wake()
    }

    /// Fails all waiting readers, and ends. When this returns, no reader will be called any more.
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
        failAll(IcecoreError(.interrupted, "the file system is being unmounted"))
        pool?.stop()
        try? committer?.finish()
        ended.signal()
    }

    /// Works until no reader waits and nothing is in flight.
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
            // Someone is waiting: fail early.
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
        if isStopping { throw IcecoreError(.interrupted, "the file system is being unmounted") }
        while let message = messages.receiveNow() { take(message) }
        checkCommitter()
        let again = waiting
        waiting = []
        for (want, reader, since) in again { begin(want, reader, since: since) }
        var isBusy = !waiting.isEmpty
        let isFull = committer.map { $0.pendingCount >= mostPending } ?? false
        for content in contents {
            if let transfer = content.next(mayBegin: !isFull) { return .transfer(transfer) }
            isBusy = isBusy || content.isBusy
        }
        forget()
        if let windows {
            if let transfer = try windows.next() { return .transfer(transfer) }
            isBusy = isBusy || windows.isBusy
        }
        return isBusy || !contents.isEmpty ? .waiting : .finished
    }

    private func take(_ message: Message) {
        guard case .read(let want, let reader) = message else { return }
        begin(want, reader, since: MonotonicClock.milliseconds())
    }

    private func begin(_ want: FetchRequest, _ reader: any ContentReader, since: UInt64) {
        do {
            if let windows, try windows.take(want, reader) { return }
            let content = try self.content(want)
            content.add(reader, try SourceObject(want, origin))
        } catch let error as IcecoreError
            where error.errno == EMFILE && !contents.isEmpty
            && MonotonicClock.milliseconds() < since + ContentFetcher.patience
        {
            // Other contents will close their files.
            waiting.append((want, reader, since))
        } catch {
            reader.fail(error as? IcecoreError ?? IcecoreError(.system, "\(error)"))
        }
    }

    /// Has readers whose content the store's disk has no room for go on without it.
    private func goOn(_ readers: [any ContentReader], _ source: SourceObject) {
        if readers.isEmpty { return }
        do {
            let content = try self.content(source.want, mayKeep: false)
            for reader in readers { content.add(reader, source) }
        } catch {
            let error = error as? IcecoreError ?? IcecoreError(.system, "\(error)")
            for reader in readers { reader.fail(error) }
        }
    }

    private func content(_ want: FetchRequest, mayKeep: Bool = true) throws -> FetchedContent {
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
        // This first: it makes a cache again that somebody has removed, and a replica's facts are in there.
        let partial = try place.open(want, mayKeep: mayKeep)
        let content = FetchedContent(
            try SourceObject(want, origin), partial, pool, log: log,
            keep: { [unowned self] blob in keep(blob) }, distrust: distrust,
            goOn: { [unowned self] readers, source in goOn(readers, source) })
        contents.append(content)
        return content
    }

    /// Drops contents that are no longer read, so that other processes may have them.
    private func forget() {
        let now = MonotonicClock.milliseconds()
        var surplus = contents.count - ContentFetcher.mostIdle
        contents.removeAll { content in
            // Its requests still refer to it.
            if content.hasRequests { return false }
            if content.isOver { return true }
            if content.isDone { return !(committer?.isPending(content.want) ?? false) }
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
        windows?.failAll(failure)
        for (_, reader, _) in waiting { reader.fail(failure) }
        waiting = []
        contents.removeAll()
        loop = nil
        shared.withLock { $0.wakeup = nil }
    }

    // MARK: - What is complete

    /// Makes a blob of a content that is complete and checked. If that fails (the store is not writable, say), the content
    /// stays as it is for the next sync.
    private func keep(_ blob: CheckedContent) {
        do {
            let committer =
                try self.committer ?? BlobCommitter(store, headers: .rows, keepsFacts: isOwnBucket, small: .noted)
            if self.committer == nil { committer.notify { [weak self] in self?.hearNews() } }
            self.committer = committer
            committer.add(blob)
        } catch {
            log("cannot keep a fetched content: \(error)")
        }
    }

    private func checkCommitter() {
        do {
            try committer?.check()
        } catch {
            committer = nil
            log("cannot keep fetched contents: \(error)")
        }
    }
}
