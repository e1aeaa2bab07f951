import S3

/// What an answer says of an object, apart from its bytes.
struct ObjectDescription {
    /// Of a multipart upload; nil where the server does not say.
    var partSize: Int64?
    /// The ETag is not an MD5.
    var isOpaque: Bool
    /// JSON; nil: nothing worth keeping.
    var headers: String?
}

extension ObjectDescription {
    init(_ head: S3ResponseHead, partSize: Int64? = nil) {
        self.init(partSize: partSize, isOpaque: head.hasOpaqueETag, headers: head.headersWorthKeeping)
    }
}
