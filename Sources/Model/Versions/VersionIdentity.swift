import Basics

/// What identifies a version. If the rest is equal, the size differs only in a forged inventory.
public struct VersionIdentity: Hashable, Sendable {
    /// nil: unknown.
    public var versionId: [UInt8]?
    public var lastModified: Timestamp
    /// nil for a marker.
    public var etag: ETag?
    public var size: Int64

    public init(versionId: [UInt8]?, lastModified: Timestamp, etag: ETag?, size: Int64) {
        self.versionId = versionId
        self.lastModified = lastModified
        self.etag = etag
        self.size = size
    }

    public var isMarker: Bool { etag == nil }
}
