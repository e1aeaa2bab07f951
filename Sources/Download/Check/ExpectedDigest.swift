import Model

/// What the bytes of a content have to match.
public struct ExpectedDigest: Sendable {
    enum Kind: Sendable {
        /// The ETag is the MD5 of the content.
        case md5(ETag)
        /// The ETag is the MD5 of the MD5s of parts. `partSizes` are the sizes that they may have had, the likeliest first;
        /// none where no size gives that many parts.
        case multipart(ETag, partSizes: [Int64], isPartSizeKnown: Bool)
        /// A SHA-256; nil: there is nothing to compare with.
        case sha256([UInt8]?)
    }

    let kind: Kind

    /// What an ETag that is not opaque promises.
    ///
    /// - Parameters:
    ///   - size: of the content, in bytes.
    ///   - partSize: of a multipart upload, in bytes; nil, zero or less: unknown, so the usual sizes are tried.
    ///   - isCertain: `partSize` alone counts. Otherwise it is tried first, and the usual sizes after it.
    public static func etag(
        _ etag: ETag, size: Int64, partSize: Int64? = nil, isCertain: Bool = true
    ) -> ExpectedDigest {
        if etag.parts == 0 { return ExpectedDigest(kind: .md5(etag)) }
        let known = partSize.flatMap { $0 > 0 ? $0 : nil }
        if let known, isCertain {
            return ExpectedDigest(kind: .multipart(etag, partSizes: [known], isPartSizeKnown: true))
        }
        var sizes = PartSizes.candidates(size: size, count: Int64(etag.parts))
        if let known {
            sizes.removeAll { $0 == known }
            sizes.insert(known, at: 0)
        }
        return ExpectedDigest(kind: .multipart(etag, partSizes: sizes, isPartSizeKnown: false))
    }

    /// A SHA-256 of 32 bytes; nil where the ETag says nothing of the bytes and no SHA-256 is known.
    public static func sha256(_ digest: [UInt8]?) -> ExpectedDigest {
        ExpectedDigest(kind: .sha256(digest))
    }

    /// The part size that is tried while the bytes pass; nil where the content has one digest.
    var partSize: Int64? {
        if case .multipart(_, let sizes, _) = kind { return sizes.first }
        return nil
    }

    /// Whether the digest is a SHA-256 rather than an MD5.
    var isSHA256: Bool {
        switch kind {
        case .md5: false
        case .multipart(_, let sizes, _): sizes.isEmpty
        case .sha256: true
        }
    }

    /// What is wrong with bytes that do not match, for messages.
    var mismatch: String {
        switch kind {
        case .md5(let etag): "its MD5 is not the ETag \(etag)"
        case .multipart(let etag, let sizes, _):
            "its parts\(sizes.first.map { " of \($0) bytes" } ?? "") do not match the ETag \(etag)"
        case .sha256: "its SHA-256 is not the one it is stored under"
        }
    }
}
