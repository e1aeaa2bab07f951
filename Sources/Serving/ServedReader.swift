import Basics
import Blobs
import Glibc
import Index
import Model
import Store

/// What one thread reads while it answers.
public final class ServedReader {
    public let served: ServedStore
    /// Of the state that is read: to be used inside of ``withState(_:)`` only.
    public private(set) var index: IndexReader
    private let blobs: BlobFinder
    private let lock = Lock()
    private var generation = 0
    private var opening = 0
    /// Buckets by name, and until when that is true, in milliseconds of the ``MonotonicClock``.
    private var buckets: [String: (bucket: ServedBucket?, until: UInt64)] = [:]

    /// For how long an age (`3d`) is counted from the same moment, in milliseconds.
    private static let ageTimeout: UInt64 = 60_000
    private static let mostBuckets = 1000

    init(_ served: ServedStore) throws {
        self.served = served
        index = try served.store.reader()
        index.readAround()
        index.end()
        blobs = BlobFinder(served.store.blobs)
    }

    /// Runs `body` with the newest known state of the index, which does not change meanwhile. Everything that an answer
    /// says comes from one call; what `body` returns must not refer to the state.
    public func withState<Result>(_ body: (ServedReader) throws -> Result) throws -> Result {
        lock.lock()
        defer { lock.unlock() }
        let newest = served.generation.load(ordering: .acquiring)
        if generation != newest { try renew(newest) }
        return try body(self)
    }

    private func renew(_ newest: Int) throws {
        generation = 0
        buckets.removeAll(keepingCapacity: true)
        let newestOpening = served.openings.load(ordering: .acquiring)
        if opening != newestOpening {
            index = try served.store.reader()
            index.readAround()
            opening = newestOpening
        } else {
            try index.begin()
        }
        generation = newest
    }

    /// Releases the state, so that the write-ahead log can be checkpointed past it. The next request reads a new one.
    func rest() {
        lock.withLock {
            generation = 0
            index.end()
        }
    }

    // MARK: - Buckets

    /// The bucket of a name: NAME, or NAME--WHEN with any WHEN in lower case; nil if there is none, or its date is out of
    /// range. Only in ``withState(_:)``.
    public func bucket(_ name: String) throws -> ServedBucket? {
        let now = MonotonicClock.milliseconds()
        if let known = buckets[name], now < known.until { return known.bucket }
        let found: ServedBucket?
        var follows = false
        if name == served.name {
            found = try own()
        } else if name.hasPrefix(served.name + "--") {
            let text = String(name.dropFirst(served.name.count + 2))
            (found, follows) = try dated(name, text)
        } else {
            found = nil
        }
        if buckets.count >= ServedReader.mostBuckets { buckets.removeAll() }
        buckets[name] = (found, follows ? now + ServedReader.ageTimeout : .max)
        return found
    }

    private func own() throws -> ServedBucket? {
        let timeline = index.timeline
        switch served.own {
        case .latest:
            return timeline.newest.map {
                ServedBucket(name: served.name, view: View(snapshot: $0, timeline: timeline), hasVersions: true)
            }
        case .snapshot(let id):
            return timeline.points.first { $0.id == id && !$0.isPruned }.map {
                ServedBucket(name: served.name, view: View(snapshot: $0, timeline: timeline), hasVersions: false)
            }
        case .instant(let time):
            if time < timeline.horizon { return nil }
            return ServedBucket(name: served.name, view: View(instant: time), hasVersions: false)
        }
    }

    private func dated(_ name: String, _ text: String) throws -> (ServedBucket?, follows: Bool) {
        guard (1...40).contains(text.utf8.count) else { return (nil, false) }
        let lower = text.lowercased()
        let timeline = index.timeline
        if let point = timeline.points.first(where: { $0.name.lowercased() == lower }) {
            if point.isPruned { return (nil, false) }
            let view = View(snapshot: point, timeline: timeline)
            return (ServedBucket(name: name, view: view, hasVersions: false), false)
        }
        guard let when = (try? When(lower)) ?? (try? When(text.uppercased())) else { return (nil, false) }
        var follows = false
        var meant = when
        switch when {
        case .inventory(let name):
            // No name of a bucket can hold the colons of an instant: it is written as listings are named.
            guard InventoryName.isListing(name), let time = InventoryName.timestamp(name) else { return (nil, false) }
            meant = .instant(time)
        case .age: follows = true
        default: break
        }
        let view: View
        do throws(IcecoreError) {
            view = try index.view(meant)
        } catch {
            // An instant that nothing is known of yet may be known after the next commit, which empties the table.
            if error.code == .notFound { return (nil, follows) }
            throw error
        }
        return (ServedBucket(name: name, view: view, hasVersions: false), follows)
    }

    /// NAME, and one bucket for each snapshot that is kept, in the order of their times; with the moment that each shows.
    public func allBuckets() throws -> [ServedBucket] {
        let timeline = index.timeline
        let dates = timeline.kept.map { point in
            ServedBucket(
                name: "\(served.name)--\(point.name.lowercased())", view: View(snapshot: point, timeline: timeline),
                hasVersions: false)
        }
        return (try own().map { [$0] } ?? []) + dates
    }

    // MARK: - Contents

    /// Where the content of a version is, which is opened if it is here.
    ///
    /// - Parameters:
    ///   - key: the whole key.
    ///   - identity: of no delete marker.
    public func content(
        _ identity: VersionIdentity, _ flags: EntryRow.Flags, key: [UInt8], isLatest: Bool
    ) throws -> ServedContent {
        guard let etag = identity.etag, let filed = identity.contentETag(key: key, flags) else { return .empty }
        if identity.size == 0 { return .empty }
        if etag.isUnknown { return .unavailable(.unrequested) }
        var attempts = 0
        while let place = try find(filed, size: identity.size) {
            attempts += 1
            do throws(IcecoreError) {
                return .here(try OpenBlob(place))
            } catch {
                // It was moved into a pack, or out of one, or pruned.
                guard error.errno == ENOENT, attempts < 3 else { throw error }
            }
        }
        let state = flags.state
        switch state {
        case .pruned, .archived, .refused: return .unavailable(state)
        case .gone where !served.isReplica: return .unavailable(state)
        default: break
        }
        guard let fetcher = served.fetcher else { return .unavailable(state) }
        var want = FetchRequest(
            key: key, versionId: identity.versionId, etag: etag, contentETag: filed, size: identity.size,
            isLatest: isLatest, isOpaque: flags.contains(.opaque), isArchived: false,
            lastModified: identity.lastModified, replacedAt: .distantFuture)
        want.wasPresent = flags.contains(.present)
        return .elsewhere(AbsentContent(served, fetcher, want))
    }

    private func find(_ etag: ETag, size: Int64) throws -> BlobPlace? {
        try blobs.find(etag: etag, size: size) { try index.blobFacts(etag: etag, size: size).sha256 }
    }
}

/// A bucket that is served: a name, and what it shows.
public struct ServedBucket: Sendable {
    public var name: String
    public var view: View
    /// All versions of every key can be had in it; otherwise, those that the view shows.
    public var hasVersions: Bool
}
