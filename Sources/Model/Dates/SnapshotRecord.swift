import Basics

/// A row of the table `snapshot`.
public struct SnapshotRecord: Sendable {
    public var id: Int64
    public var name: String
    public var takenAt: Timestamp
    public var syncedAt: Timestamp
    public var manifestMD5: [UInt8]
    public var metadataOnly: Bool
    public var filter: String?
    public var permanentFilter: String?
    public var rowCount: Int64
    /// Keys in its view, and the sum of their sizes.
    public var keys: Int64
    public var bytes: Int64
    /// Versions first seen by this sync, and their bytes. Not stored with the snapshot.
    public var newVersions: Int64 = 0
    public var newBytes: Int64 = 0

    public init(
        id: Int64, name: String, takenAt: Timestamp, syncedAt: Timestamp, manifestMD5: [UInt8], policy: DownloadPolicy,
        rowCount: Int64, keys: Int64, bytes: Int64
    ) {
        self.id = id
        self.name = name
        self.takenAt = takenAt
        self.syncedAt = syncedAt
        self.manifestMD5 = manifestMD5
        metadataOnly = policy.metadataOnly
        filter = policy.filter
        permanentFilter = policy.permanentFilter
        self.rowCount = rowCount
        self.keys = keys
        self.bytes = bytes
    }
}
