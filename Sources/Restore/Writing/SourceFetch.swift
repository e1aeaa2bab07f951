import Basics
import Download
import Model
import S3
import Store
import Synchronization

/// Contents that the store lacks, fetched from the source's bucket as a mount fetches what is read. What has arrived
/// becomes a blob.
final class SourceFetch {
    private struct Arrival: Sendable {
        var number: Int
        var error: IcecoreError?
    }

    private let store: Store
    private let environment: [String: String]
    private let arrivals: Channel<Arrival>
    private let wake: @Sendable () -> Void
    private var fetcher: ContentFetcher?
    private let source = SourceClient()
    private var waiting: [Int: WantedObject] = [:]
    private var arrived: [(object: WantedObject, since: UInt64)] = []
    private var number = 0
    /// How many contents are fetched at a time.
    static let most = 16
    /// Milliseconds until what has arrived must have its name.
    private static let patience: UInt64 = 60_000

    /// - Parameter wake: called on another thread when something has arrived.
    init(_ store: Store, environment: [String: String], wake: @escaping @Sendable () -> Void) {
        self.store = store
        self.environment = environment
        self.wake = wake
        arrivals = Channel(limit: .max)
    }

    var count: Int { waiting.count + arrived.count }
    /// To the source.
    var requests: Int { source.client.withLock { $0?.requestCount ?? 0 } }

    func begin(_ object: WantedObject) {
        number += 1
        waiting[number] = object
        let fetcher = fetcher ?? makeFetcher()
        self.fetcher = fetcher
        let (number, arrivals, wake) = (number, arrivals, wake)
        let reading = WholeReading(fetcher, object.fetchRequest) { error in
            arrivals.send(Arrival(number: number, error: error))
            wake()
        }
        reading.readOn()
    }

    private func makeFetcher() -> ContentFetcher {
        ContentFetcher(
            store, log: { _ in }, distrust: { _ in },
            client: { [store, environment, source] in
                let made = try S3Client(store, environment: environment)
                source.client.withLock { $0 = made }
                return made
            })
    }

    /// The objects whose contents are in the store now, or will not be.
    ///
    /// - Parameter isThere: whether the store has the content of an object.
    func take(isThere: (WantedObject) throws -> Bool) throws -> [(object: WantedObject, error: IcecoreError?)] {
        var ended: [(object: WantedObject, error: IcecoreError?)] = []
        let now = MonotonicClock.milliseconds()
        while let arrival = arrivals.receiveNow() {
            guard let object = waiting.removeValue(forKey: arrival.number) else { continue }
            if let error = arrival.error {
                ended.append((object, error))
            } else {
                arrived.append((object, now))
            }
        }
        var rest: [(object: WantedObject, since: UInt64)] = []
        for (object, since) in arrived {
            if try isThere(object) {
                ended.append((object, nil))
            } else if now > since + SourceFetch.patience {
                ended.append((object, IcecoreError(.system, "what was fetched could not be kept in the store")))
            } else {
                rest.append((object, since))
            }
        }
        arrived = rest
        return ended
    }

    func stop() {
        fetcher?.stop()
        fetcher = nil
    }
}

/// The client that the fetcher's thread makes when there is something to fetch.
private final class SourceClient: Sendable {
    let client = Mutex<S3Client?>(nil)
}

/// Reads a content from its beginning to its end, piece by piece, so that all of it is fetched.
private final class WholeReading: Sendable {
    private let fetcher: ContentFetcher
    private let want: FetchRequest
    private let done: @Sendable (IcecoreError?) -> Void
    private let position = Mutex<Int64>(0)
    private static let piece: Int64 = 4 << 20

    init(_ fetcher: ContentFetcher, _ want: FetchRequest, done: @escaping @Sendable (IcecoreError?) -> Void) {
        (self.fetcher, self.want, self.done) = (fetcher, want, done)
    }

    func readOn() {
        let start = position.withLock { $0 }
        guard start < want.size else { return done(nil) }
        let range = start..<min(want.size, start + WholeReading.piece)
        fetcher.read(
            want,
            WholePiece(range) { [self] error in
                if let error { return done(error) }
                position.withLock { $0 = range.upperBound }
                readOn()
            })
    }
}

private final class WholePiece: ContentReader {
    let range: Range<Int64>
    let file: UInt64 = 0
    let hasLeft = false
    private let done: @Sendable (IcecoreError?) -> Void

    init(_ range: Range<Int64>, _ done: @escaping @Sendable (IcecoreError?) -> Void) {
        self.range = range
        self.done = done
    }

    func answer(_ bytes: UnsafeRawBufferPointer) { done(nil) }
    func fail(_ error: IcecoreError) { done(error) }
}
