/// What the ETag of a content does not say, and nothing but a record can.
public struct BlobFact: Hashable, Sendable {
    public enum Value: Hashable, Sendable {
        /// The blob has its name from this SHA-256, 32 bytes, since the ETag is not the MD5 of anything.
        case sha256([UInt8])
        /// The parts of a multipart upload, of whose MD5s the ETag is the MD5.
        case parts(PartLayout)
    }

    /// What the content is filed under.
    public var etag: ETag
    /// Of the content, in bytes.
    public var size: Int64
    public var value: Value

    public init(etag: ETag, size: Int64, _ value: Value) {
        self.etag = etag
        self.size = size
        self.value = value
    }

    /// The fact that an index or a download has found.
    ///
    /// - Returns: nil if that is nothing. A content that has its name from its SHA-256 needs no parts.
    public init?(etag: ETag, size: Int64, parts: PartLayout?, sha256: [UInt8]?) {
        if let sha256 {
            self.init(etag: etag, size: size, .sha256(sha256))
        } else if let parts {
            self.init(etag: etag, size: size, .parts(parts))
        } else {
            return nil
        }
    }

    public var parts: PartLayout? {
        if case .parts(let parts) = value { parts } else { nil }
    }

    public var sha256: [UInt8]? {
        if case .sha256(let digest) = value { digest } else { nil }
    }

    /// The name of the blob; nil where the ETag has a form that names none.
    public var blobName: String? {
        switch value {
        case .sha256(let digest): BlobName.file(sha256: digest, size: size)
        case .parts: BlobName.file(etag: etag, size: size)
        }
    }
}
