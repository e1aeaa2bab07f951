import Store

extension Want {
    var content: ContentKey { ContentKey(etag: contentETag, size: size) }

    /// The name of the blob, where the ETag gives one.
    var contentName: String {
        Blobs.name(etag: contentETag, size: size) ?? "\(contentETag)-\(size)"
    }
}
