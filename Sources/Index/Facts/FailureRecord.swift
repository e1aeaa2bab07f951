import Basics
import Model

/// An object that could not be fetched.
public struct FailureRecord: Sendable {
    public var key: [UInt8]
    /// nil: unknown.
    public var versionId: [UInt8]?
    public var etag: String
    public var size: Int64
    public var kind: FetchFailure
    public var reason: String
    public var failedAt: Timestamp

    public init(
        key: [UInt8], versionId: [UInt8]?, etag: String, size: Int64, kind: FetchFailure, reason: String,
        failedAt: Timestamp
    ) {
        self.key = key
        self.versionId = versionId
        self.etag = etag
        self.size = size
        self.kind = kind
        self.reason = reason
        self.failedAt = failedAt
    }
}
