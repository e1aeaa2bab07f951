import Basics

/// One S3 Inventory report: the rows that one listing of a bucket gave.
public struct InventoryReport: Hashable, Sendable {
    /// What a report covers.
    public enum Kind: Hashable, Sendable {
        /// Every version and marker of every key.
        case full
        /// Only what is current, without the columns VersionId, IsLatest and IsDeleteMarker: how reports of unversioned
        /// buckets and "current version only" reports look. Every row is latest, and no version's id is known.
        case currentOnly
        /// Every version and marker of the keys that begin with a prefix.
        case prefix(ByteString)
    }

    /// A version, and whether the report marks it latest.
    public struct Row: Hashable, Sendable {
        public var version: Version
        public var isLatest: Bool

        public init(_ version: Version, isLatest: Bool) {
            self.version = version
            self.isLatest = isLatest
        }
    }

    /// `YYYY-MM-DDTHH-MMZ`, or `YYYY-MM-DDTHH-MM-SSZ` for a listing that the store made itself.
    public var name: String
    /// `creationTimestamp`: when the scan began.
    public var takenAt: Timestamp
    public var kind: Kind
    public var rows: [Row]

    public init(name: String, takenAt: Timestamp, kind: Kind = .full, rows: [Row]) {
        self.name = name
        self.takenAt = takenAt
        self.kind = kind
        self.rows = rows
    }

    /// The report that a bucket gives if nothing changes while it is scanned.
    public init(of bucket: SimulatedBucket, name: String, takenAt: Timestamp, kind: Kind = .full) {
        self.init(name: name, takenAt: takenAt, kind: kind, rows: [])
        scan(bucket, bucket.keys)
    }

    /// Adds the rows that the bucket has now for some of its keys.
    ///
    /// A real report is a *rolling* listing: it scans one range of keys after the other while the bucket goes on
    /// changing, so that it can hold versions newer than its own `takenAt`.
    public mutating func scan(_ bucket: SimulatedBucket, _ keys: some Sequence<ByteString>) {
        for key in keys {
            let versions = bucket.versions(key)
            guard let latest = versions.last else { continue }
            switch kind {
            case .full:
                add(versions, latest)
            case .prefix(let prefix):
                if key.hasPrefix(prefix) { add(versions, latest) }
            case .currentOnly:
                if !latest.isMarker {
                    var row = Row(latest, isLatest: true)
                    row.version.id = .unknown
                    rows.append(row)
                }
            }
        }
    }

    private mutating func add(_ versions: [Version], _ latest: Version) {
        for version in versions.reversed() {
            rows.append(Row(version, isLatest: version == latest))
        }
    }

    /// Whether the store listed the bucket itself.
    public var isListing: Bool { name.utf8.count == 20 }

    /// The name of a listing that was begun at an instant.
    public static func name(listedAt: Timestamp) -> String {
        let second = listedAt.rfc3339.prefix(19)
        return second.replacing(":", with: "-") + "Z"
    }

    /// The name of a report taken at an instant.
    public static func name(takenAt: Timestamp) -> String {
        let minute = takenAt.rfc3339.prefix(16)
        return minute.replacing(":", with: "-") + "Z"
    }
}
