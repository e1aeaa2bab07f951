/// What a HEAD says.
struct ObjectDescription {
    /// Of a multipart upload; nil where the server does not say.
    var partSize: Int64?
    /// The ETag is no MD5 of anything.
    var isOpaque: Bool
    /// JSON, or nil where there is nothing worth keeping.
    var headers: String?
}
