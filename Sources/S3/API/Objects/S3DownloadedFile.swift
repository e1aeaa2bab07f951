/// A completed ``S3Download``.
public struct S3DownloadedFile: Sendable {
    public let head: S3ResponseHead
    public let md5: [UInt8]
    public let size: Int64
}
