import Basics

/// An object that could not be fetched.
public struct FailureRecord: Sendable {
    public var key: [UInt8]
    /// nil: unknown.
    public var versionId: [UInt8]?
    public var etag: String
    public var size: Int64
    /// Gone for good: it will not be requested again.
    public var isGone: Bool
    public var reason: String
    public var failedAt: Timestamp

    public init(
        key: [UInt8], versionId: [UInt8]?, etag: String, size: Int64, isGone: Bool, reason: String, failedAt: Timestamp
    ) {
        self.key = key
        self.versionId = versionId
        self.etag = etag
        self.size = size
        self.isGone = isGone
        self.reason = reason
        self.failedAt = failedAt
    }
}
