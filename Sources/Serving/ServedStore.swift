import Basics
import Blobs
import Download
import Index
import Model
import S3
import Store
import Synchronization

/// How a store is served.
public struct ServingOptions: Sendable {
    /// What the bucket of the latest view is called; nil: as the bucket itself.
    public var name: String?
    /// What that bucket shows; nil: the latest view, and all versions.
    public var at: When?
    /// Nothing is fetched that is not in the store.
    public var isOffline = false
    /// Where contents come from that are not in the store; nil: its bucket.
    public var origin: (place: ContentOrigin, client: @Sendable () throws -> S3Client)?
    /// Makes the directories of a cache again if they are gone; nil: those of a store.
    public var restore: (@Sendable () throws -> Void)?
    /// Looks for something newer, every so many seconds.
    public var refresh: (seconds: Int, call: @Sendable () throws -> Void)?
    public var environment: [String: String] = [:]
    /// Called, on any thread, with what goes wrong.
    public var log: @Sendable (String) -> Void = { _ in }

    public init() {}
}

/// A store, or the cache of a replica, while it is served: what all threads share.
///
/// Each thread that answers has a ``ServedReader`` of its own; all of them follow commits.
public final class ServedStore: @unchecked Sendable {
    // What is not guarded is set once.

    /// What the bucket of the latest view shows.
    enum OwnView: Sendable {
        case latest
        case snapshot(id: Int64)
        case instant(Timestamp)
    }

    public let store: Store
    /// What the bucket of the latest view is called.
    public let name: String
    let own: OwnView
    /// The WHEN that the bucket of that name shows, and that a page opens at; nil: it is the latest view.
    public let home: String?
    let fetcher: ContentFetcher?
    /// The store is the cache of a replica in another place, which may have what the bucket has lost.
    let isReplica: Bool
    let log: @Sendable (String) -> Void
    /// Counts the states of the index that were seen: a reader of an older one changes to the newest.
    let generation = Atomic<Int>(1)
    /// Counts the files that the index was.
    let openings = Atomic<Int>(0)
    /// Numbers readings of contents that are fetched.
    let readings = Atomic<UInt64>(1)
    private let distrusted = Distrusted()
    private let isOver = Atomic<Bool>(false)
    private let readers = Mutex<[Weak]>([])
    private let refresh: (seconds: Int, call: @Sendable () throws -> Void)?

    private struct Weak: @unchecked Sendable {
        // Read under the lock.
        weak var reader: ServedReader?
    }

    /// - Throws: `notFound` if the store has no snapshot, or not the view that was asked for.
    public init(_ store: Store, _ options: ServingOptions = ServingOptions()) throws {
        self.store = store
        name = options.name ?? store.configuration.bucket
        log = options.log
        refresh = options.refresh
        isReplica = options.origin != nil
        let reader = try store.reader()
        let view = try reader.view(options.at ?? .latest)
        reader.end()
        switch view.kind {
        case _ where options.at == nil || options.at == .latest: (own, home) = (.latest, nil)
        case .snapshot: (own, home) = (.snapshot(id: view.snapshotId), view.name)
        case .instant(let time): (own, home) = (.instant(time), time.rfc3339)
        }
        let distrusted = distrusted
        guard !options.isOffline else {
            fetcher = nil
            return
        }
        let environment = options.environment
        var client: @Sendable () throws -> S3Client = { try S3Client(store, environment: environment) }
        if let origin = options.origin { client = origin.client }
        fetcher = ContentFetcher(
            store, from: options.origin?.place, restore: options.restore, log: options.log,
            distrust: { distrusted.add($0) }, client: client)
    }

    /// The file that pages keep sums in.
    public var pageSums: String { "\(store.path)/\(StoreLayout.pageSums)" }

    /// A reader for one thread.
    public func makeReader() throws -> ServedReader {
        let reader = try ServedReader(self)
        readers.withLock { readers in
            readers.removeAll { $0.reader == nil }
            readers.append(Weak(reader: reader))
        }
        return reader
    }

    /// Begins to follow commits.
    public func start() throws {
        let watch = try StateWatch(self)
        try SystemThread.detach("commit-watcher") { watch.run() }
        guard let refresh else { return }
        try SystemThread.detach("refresher") { [self] in run(refresh.seconds, refresh.call) }
    }

    /// Ends everything; what is being fetched fails.
    public func stop() {
        isOver.store(true, ordering: .relaxed)
        fetcher?.stop()
    }

    /// Tells of what went wrong.
    public func report(_ text: String) { log(text) }

    var hasStopped: Bool { isOver.load(ordering: .relaxed) }

    /// Makes all readers release the states that they read, once each is between two requests.
    func rest() {
        let open = readers.withLock { $0.compactMap(\.reader) }
        for reader in open { reader.rest() }
    }

    /// Whether bytes that were given out in a reading have turned out to be wrong.
    func isDistrusted(_ reading: UInt64) -> Bool { distrusted.contains(reading) }

    private func run(_ seconds: Int, _ call: () throws -> Void) {
        var last = ""
        var waited = 0
        while !hasStopped {
            pause(milliseconds: 250)
            waited += 250
            guard waited >= seconds * 1000 else { continue }
            waited = 0
            do {
                try call()
                last = ""
            } catch {
                // An error that repeats is told once.
                if "\(error)" != last { log("\(error)") }
                last = "\(error)"
            }
        }
    }
}

/// Readings whose bytes were wrong.
private final class Distrusted: Sendable {
    private let readings = Mutex<Set<UInt64>>([])

    func add(_ wrong: Set<UInt64>) {
        readings.withLock { known in
            // Those that have ended never ask.
            if known.count > 10_000 { known.removeAll() }
            known.formUnion(wrong)
        }
    }

    func contains(_ reading: UInt64) -> Bool {
        readings.withLock { $0.contains(reading) }
    }
}
