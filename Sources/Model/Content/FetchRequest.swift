import Basics

/// A blob that a sync requests, and one version through which it can be fetched.
public struct FetchRequest: Sendable {
    public var key: [UInt8]
    /// nil: unknown.
    public var versionId: [UInt8]?
    public var etag: ETag
    /// What the content is filed under: the ETag, or for a separately fetched version a name unique to it.
    public var contentETag: ETag
    public var size: Int64
    /// The inventory marks the version latest.
    public var isLatest: Bool
    /// The ETag is known not to be the MD5 of anything.
    public var isOpaque: Bool
    /// A GET needs a restore first.
    public var isArchived: Bool
    /// The source has refused it before, or called it gone: if it does so again, that is no news.
    public var wasDenied = false
    /// The version's headers are to be learnt even if its content comes through another one.
    public var wantsHeaders = false
    /// What is known of the headers already: only the tags are missing.
    public var knownHeaders: ObjectHeaders?
    /// The index takes the content for present, so it is among those that were counted: its return adds nothing.
    public var wasPresent = false
    public var lastModified: Timestamp
    /// When the version stopped being current: the first replaced expires first. `distantFuture` if still current.
    public var replacedAt: Timestamp

    /// - Parameter contentETag: nil: the ETag.
    public init(
        key: [UInt8], versionId: [UInt8]?, etag: ETag, contentETag: ETag? = nil, size: Int64, isLatest: Bool,
        isOpaque: Bool, isArchived: Bool, lastModified: Timestamp, replacedAt: Timestamp
    ) {
        self.key = key
        self.versionId = versionId
        self.etag = etag
        self.contentETag = contentETag ?? etag
        self.size = size
        self.isLatest = isLatest
        self.isOpaque = isOpaque
        self.isArchived = isArchived
        self.lastModified = lastModified
        self.replacedAt = replacedAt
    }

    /// No other version's content can be used instead, whatever its ETag.
    public var isFiledByVersion: Bool { contentETag != etag }
}
