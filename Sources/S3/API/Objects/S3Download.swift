/// An object to download to a file.
public struct S3Download: Sendable {
    public var bucket: String
    public var key: [UInt8]
    public var versionId: String?
    /// The file to write; an existing one is overwritten.
    public var path: String
    /// The MD5 of the content; any other content is fetched again, and finally fails.
    public var md5: [UInt8]?
    public var size: Int64?

    public init(
        bucket: String, key: [UInt8], versionId: String? = nil, path: String, md5: [UInt8]? = nil, size: Int64? = nil
    ) {
        self.bucket = bucket
        self.key = key
        self.versionId = versionId
        self.path = path
        self.md5 = md5
        self.size = size
    }
}
