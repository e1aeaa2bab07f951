import Basics
import Foundation
import S3
import Store
import Synchronization

/// Somebody who waits for bytes of a content that is not in the store. Called on the fetcher's thread, and answered once.
public protocol ContentReader: AnyObject, Sendable {
    /// The bytes wanted, within the content; not empty.
    var range: Range<Int64> { get }
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
    private let environment: [String: String]
    private let log: @Sendable (String) -> Void
    private let shared = Mutex(Shared())
    private let messages = Channel<Message>(limit: .max)
    private let ended = DispatchSemaphore(value: 0)

    private var client: S3Client?
    private var loop: TransferLoop?
    private var batch: BlobBatch?
    private var pool: WorkPool?
    /// The one used last at the end.
    private var contents: [FetchedContent] = []

    /// So many contents keep their files open for the next read.
    private static let mostIdle = 64
    private static let jobs = 32

    /// - Parameters:
    ///   - environment: of the process: credentials, endpoint, region.
    ///   - log: told, on any thread, what goes wrong.
    public init(_ store: Store, environment: [String: String], log: @escaping @Sendable (String) -> Void) {
        self.store = store
        self.environment = environment
        self.log = log
    }

    /// Answers a reader as soon as the bytes are there. To be called from any thread.
    public func read(_ want: Want, _ reader: any ContentReader) {
        let mayStart = shared.withLock { shared -> Bool in
            if shared.isStopping { return false }
            if !shared.isStarted {
                shared.isStarted = true
                Thread.detachNewThread { [self] in work() }
            }
            return true
        }
        guard mayStart, messages.send(.read(want, reader)) else {
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
            client = try S3Client(store, environment: environment)
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
        var isBusy = false
        for content in contents {
            if let transfer = content.next() { return .transfer(transfer) }
            isBusy = isBusy || content.isBusy
        }
        forget()
        return isBusy ? .waiting : .finished
    }

    private func take(_ message: Message) {
        guard case .read(let want, let reader) = message else { return }
        do {
            try content(want).add(reader)
        } catch {
            reader.fail(error as? IcecoreError ?? IcecoreError(.system, "\(error)"))
        }
    }

    private func content(_ want: Want) throws -> FetchedContent {
        if let place = contents.lastIndex(where: { $0.want.content == want.content }) {
            let known = contents.remove(at: place)
            if !known.isOver {
                contents.append(known)
                return known
            }
        }
        let pool: WorkPool
        if let known = self.pool {
            pool = known
        } else {
            pool = WorkPool { [weak self] in self?.hearNews() }
            self.pool = pool
        }
        let content = try FetchedContent(
            SourceObject(want, bucket: store.configuration.bucket), store, pool, log: log
        ) { [unowned self] blob in keep(blob) }
        contents.append(content)
        return content
    }

    /// Lets go of the contents that nobody has read for longest.
    private func forget() {
        contents.removeAll(where: \.isOver)
        var surplus = contents.count - ContentFetcher.mostIdle
        guard surplus > 0 else { return }
        contents.removeAll { content in
            guard surplus > 0, !content.isBusy else { return false }
            surplus -= 1
            return true
        }
    }

    private func failAll(_ error: any Error) {
        let failure = (error as? S3Failure)?.asError ?? error as? IcecoreError ?? IcecoreError(.system, "\(error)")
        for content in contents { content.failAll(failure) }
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
