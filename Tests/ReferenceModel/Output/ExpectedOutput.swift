import Basics

/// A line of `icecore ls --json`.
public enum LsLine: Hashable, Sendable {
    /// `{"prefix": "zarr/"}`: there are keys below it.
    case prefix(ByteString)
    case key(ByteString, size: Int64, lastModified: Timestamp, etag: ByteString, id: VersionID)

    public init(_ version: Version) {
        self = .key(
            version.key, size: version.size, lastModified: version.lastModified, etag: version.etag, id: version.id)
    }

    /// The key or the prefix.
    public var name: ByteString {
        switch self {
        case .prefix(let name), .key(let name, _, _, _, _): name
        }
    }
}

/// A line of `icecore versions --json`, without `present`, which the blobs decide.
public struct VersionsLine: Hashable, Sendable {
    public var version: Version
    /// By the newest inventory.
    public var isLatest: Bool

    public init(_ version: Version, isLatest: Bool) {
        self.version = version
        self.isLatest = isLatest
    }
}

/// A line of `icecore snapshots --json`, without `complete`, which the blobs decide.
public struct SnapshotsLine: Hashable, Sendable {
    public var name: String
    public var takenAt: Timestamp
    /// How many keys the snapshot's view has.
    public var keys: Int64
    /// The sum of their sizes.
    public var bytes: Int64

    public init(name: String, takenAt: Timestamp, keys: Int64, bytes: Int64) {
        self.name = name
        self.takenAt = takenAt
        self.keys = keys
        self.bytes = bytes
    }
}

/// A line of `icecore diff --json`.
public struct DiffLine: Hashable, Sendable {
    public enum Kind: String, Sendable {
        case added, removed, modified
    }

    public var change: Kind
    public var key: ByteString
    /// Nil on the side that does not have the key.
    public var old: VersionID?
    public var new: VersionID?

    public init(_ change: Kind, _ key: ByteString, old: VersionID?, new: VersionID?) {
        self.change = change
        self.key = key
        self.old = old
        self.new = new
    }
}

/// What `icecore ls PREFIX -R` prints of a view: every key that begins with the prefix, in byte order.
public func lsRecursive(_ view: ShownVersions, _ prefix: ByteString = "") -> [LsLine] {
    view.values.filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }.map { LsLine($0) }
}

/// What `icecore ls PREFIX` prints of a view: keys whose rest has no slash, and of all others what is common up to and
/// with the first slash, once each, in byte order.
public func lsOneLevel(_ view: ShownVersions, _ prefix: ByteString = "") -> [LsLine] {
    let lines = view.values.filter { $0.key.hasPrefix(prefix) }.map { version in
        let rest = version.key.dropping(prefix)
        guard let slash = rest.bytes.firstIndex(of: UInt8(ascii: "/")) else { return LsLine(version) }
        return .prefix(prefix + ByteString(Array(rest.bytes[...slash])))
    }
    return Set(lines).sorted { $0.name < $1.name }
}

extension History {
    /// What `icecore snapshots` prints: oldest first.
    public var snapshotsLines: [SnapshotsLine] {
        kept.map { inventory in
            let view = snapshotView(inventory.name) ?? [:]
            return SnapshotsLine(
                name: inventory.name, takenAt: inventory.takenAt, keys: Int64(view.count),
                bytes: view.values.reduce(0) { $0 + $1.size })
        }
    }

    /// What `icecore diff` prints of two views: in byte order of the key.
    public static func diffLines(_ old: ShownVersions, _ new: ShownVersions, _ prefix: ByteString = "") -> [DiffLine] {
        diff(old, new).filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }.map { key, change in
            switch change {
            case .added(let version): DiffLine(.added, key, old: nil, new: version.id)
            case .removed(let version): DiffLine(.removed, key, old: version.id, new: nil)
            case .modified(let before, let after): DiffLine(.modified, key, old: before.id, new: after.id)
            }
        }
    }
}

extension LsLine: CustomStringConvertible {
    public var description: String {
        switch self {
        case .prefix(let prefix): "prefix \(prefix)"
        case .key(let key, let size, let lastModified, let etag, let id):
            "\(key) \(id) \(lastModified) \(etag.string), \(size) bytes"
        }
    }
}

extension VersionsLine: CustomStringConvertible {
    public var description: String { "\(version)\(isLatest ? ", latest" : "")" }
}

extension SnapshotsLine: CustomStringConvertible {
    public var description: String { "\(name) taken at \(takenAt), \(keys) keys, \(bytes) bytes" }
}

extension DiffLine: CustomStringConvertible {
    public var description: String {
        "\(change.rawValue) \(key) from \(old.map { "\($0)" } ?? "-") to \(new.map { "\($0)" } ?? "-")"
    }
}
