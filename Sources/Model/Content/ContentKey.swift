/// A content as rows of the index name it.
public struct ContentKey: Hashable, Sendable {
    public var etag: ETag
    public var size: Int64

    public init(etag: ETag, size: Int64) {
        self.etag = etag
        self.size = size
    }
}
