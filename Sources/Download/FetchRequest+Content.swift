import Model

extension FetchRequest {
    /// What the content is filed under.
    package var content: ContentKey { ContentKey(etag: contentETag, size: size) }

    /// The name of the blob, unless only a SHA-256 vouches for the content.
    var blobName: String {
        BlobName.file(etag: contentETag, size: size) ?? "\(contentETag)-\(size)"
    }
}
