import Basics

/// One object of a listing.
public struct S3ListedObject: Sendable {
    public var key: [UInt8] = []
    public var size: Int64 = 0
    /// Without quotation marks.
    public var etag = ""
    public var lastModified: Timestamp?
}
