import Basics

/// A bucket as S3 keeps it: versions, delete markers, null versions, multipart uploads, and a clock in whole seconds.
///
/// It also remembers what it showed at any second, which is the truth that instant views try to find again.
public struct SimulatedBucket: Sendable {
    public enum Versioning: Sendable {
        case unversioned, enabled, suspended
    }

    /// A multipart upload under way: nobody sees it until it is complete, but its time is that of its beginning.
    public struct Upload: Sendable {
        public let key: ByteString
        public let content: [UInt8]
        public let partSize: Int
        public let began: Timestamp
    }

    /// A version as the bucket keeps it.
    struct BucketVersion: Sendable {
        var version: Version
        /// When something else became the latest version of the key; nil while this one is.
        var noncurrentSince: Timestamp?
    }

    /// A key showed something else from an instant on: a version, or nothing.
    private struct Showing: Sendable {
        let instant: Timestamp
        let key: ByteString
        let shown: Version?
    }

    public let name: String
    public private(set) var versioning: Versioning
    /// Whole seconds since 1970.
    public private(set) var clock: Int64
    /// Each key's versions, oldest first; the last is the latest, whatever the times say.
    private var stacks: [ByteString: [BucketVersion]] = [:]
    private var events: [Showing] = []
    /// The contents that were ever put, by ETag.
    public private(set) var contents: [ByteString: [UInt8]] = [:]
    /// The part sizes of multipart ETags.
    public private(set) var partSizes: [ByteString: Int] = [:]
    private var ids: SplitMix64

    /// - Parameters:
    ///   - clock: the time to begin with, in whole seconds since 1970.
    ///   - seed: decides the version ids.
    public init(name: String = "simulated", versioning: Versioning = .enabled, clock: Int64, seed: UInt64 = 0) {
        self.name = name
        self.versioning = versioning
        self.clock = clock
        ids = SplitMix64(seed: seed)
    }

    public var now: Timestamp { Timestamp(milliseconds: clock * 1000) }

    /// The keys that have versions, in byte order.
    public var keys: [ByteString] { stacks.keys.sorted() }

    /// What the bucket shows now.
    public var view: ShownVersions {
        stacks.compactMapValues { stack in
            guard let latest = stack.last?.version, !latest.isMarker else { return nil }
            return latest
        }
    }

    /// What the bucket showed at the end of the second in which the instant lies.
    public func view(at instant: Timestamp) -> ShownVersions {
        var view: ShownVersions = [:]
        for event in events where event.instant <= instant {
            view[event.key] = event.shown
        }
        return view
    }

    /// A key's versions, oldest first; the last is the latest.
    public func versions(_ key: ByteString) -> [Version] {
        (stacks[key] ?? []).map(\.version)
    }

    // MARK: Operations

    public mutating func advance(seconds: Int) {
        clock += Int64(seconds)
    }

    /// - Parameter time: not earlier than now.
    mutating func advance(to time: Int64) {
        clock = max(clock, time)
    }

    /// Versioning can be enabled and suspended, never taken back.
    public mutating func setVersioning(_ versioning: Versioning) {
        self.versioning = versioning
    }

    /// - Parameter id: the version's id, where versioning gives it one; nil: a new one.
    @discardableResult
    public mutating func put(_ key: ByteString, _ content: [UInt8], id: VersionID? = nil) -> Version {
        let etag = ByteString(Hex.encode(MD5.digest(content)))
        contents[etag] = content
        return push(key, id: id, etag: etag, size: content.count, lastModified: now)
    }

    /// Begins a multipart upload; the bucket does not keep it, ``complete(_:)`` takes it.
    public func beginMultipart(_ key: ByteString, _ content: [UInt8], partSize: Int) -> Upload {
        Upload(key: key, content: content, partSize: partSize, began: now)
    }

    @discardableResult
    public mutating func complete(_ upload: Upload, id: VersionID? = nil) -> Version {
        let etag = Self.multipartETag(upload.content, partSize: upload.partSize)
        contents[etag] = upload.content
        partSizes[etag] = upload.partSize
        return push(upload.key, id: id, etag: etag, size: upload.content.count, lastModified: upload.began)
    }

    /// The MD5 of the parts' MD5s, and how many they are. An empty content is one empty part.
    public static func multipartETag(_ content: [UInt8], partSize: Int) -> ByteString {
        var digests: [UInt8] = []
        var count = 0
        for start in stride(from: 0, to: max(content.count, 1), by: partSize) {
            digests += MD5.digest(Array(content[start..<min(start + partSize, content.count)]))
            count += 1
        }
        return ByteString("\(Hex.encode(MD5.digest(digests)))-\(count)")
    }

    /// DELETE without a version id: a marker where there is versioning, else the object is gone.
    ///
    /// - Returns: the marker.
    @discardableResult
    public mutating func delete(_ key: ByteString, markerId: VersionID? = nil) -> Version? {
        switch versioning {
        case .unversioned:
            remove(key) { $0.id == .null }
            return nil
        case .enabled:
            return push(key, id: markerId ?? newId(), etag: "", isMarker: true, size: 0, lastModified: now)
        case .suspended:
            remove(key) { $0.id == .null }
            return push(key, id: .null, etag: "", isMarker: true, size: 0, lastModified: now)
        }
    }

    /// DELETE with a version id: that version is gone for good, and if it was the latest, the one before is again.
    public mutating func delete(_ key: ByteString, versionId: VersionID) {
        remove(key) { $0.id == versionId }
    }

    /// Lifecycle: what has been noncurrent for that long is gone for good.
    public mutating func expireNoncurrent(olderThan seconds: Int) {
        let limit = Timestamp(milliseconds: (clock - Int64(seconds)) * 1000)
        for key in keys {
            let expired = (stacks[key] ?? []).filter { stored in stored.noncurrentSince.map { $0 <= limit } ?? false }
            remove(key) { version in expired.contains { $0.version == version } }
        }
    }

    /// Lifecycle: a marker that is all that is left of a key is gone.
    public mutating func expireLonelyMarkers() {
        for key in keys where stacks[key]?.count == 1 {
            remove(key) { $0.isMarker }
        }
    }

    // MARK: How they work

    private mutating func push(
        _ key: ByteString, id: VersionID?, etag: ByteString, size: Int, lastModified: Timestamp
    ) -> Version {
        if versioning != .enabled {
            remove(key) { $0.id == .null }
        }
        let id = versioning == .enabled ? id ?? newId() : .null
        return push(key, id: id, etag: etag, isMarker: false, size: Int64(size), lastModified: lastModified)
    }

    @discardableResult
    private mutating func push(
        _ key: ByteString, id: VersionID, etag: ByteString, isMarker: Bool, size: Int64, lastModified: Timestamp
    ) -> Version {
        let version = Version(
            key: key, id: id, lastModified: lastModified, etag: etag, isMarker: isMarker, size: size)
        stacks[key, default: []].append(BucketVersion(version: version))
        noteChange(of: key)
        return version
    }

    private mutating func remove(_ key: ByteString, where isGone: (Version) -> Bool) {
        guard let stack = stacks[key] else { return }
        let rest = stack.filter { !isGone($0.version) }
        stacks[key] = rest.isEmpty ? nil : rest
        noteChange(of: key)
    }

    /// After every change of a key's versions: who is current since when, and what the key shows from now on.
    private mutating func noteChange(of key: ByteString) {
        let last = (stacks[key]?.count ?? 0) - 1
        for index in stacks[key, default: []].indices {
            let since = stacks[key]?[index].noncurrentSince ?? now
            stacks[key]?[index].noncurrentSince = index == last ? nil : since
        }
        if stacks[key]?.isEmpty == true { stacks[key] = nil }
        events.append(Showing(instant: now, key: key, shown: view(of: key)))
    }

    private func view(of key: ByteString) -> Version? {
        guard let latest = stacks[key]?.last?.version, !latest.isMarker else { return nil }
        return latest
    }

    /// 32 characters, as AWS makes them: `.`, `_` and `-` may be anywhere.
    private mutating func newId() -> VersionID {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-".utf8)
        return .id(ByteString((0..<32).map { _ in ids.pick(alphabet) }))
    }
}
