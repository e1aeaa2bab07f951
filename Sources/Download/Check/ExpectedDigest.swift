import Model

/// What the bytes of a content have to match.
public struct ExpectedDigest: Sendable {
    enum Kind: Sendable {
        /// The ETag is the MD5 of the content.
        case md5(ETag)
        /// The ETag is the MD5 of the MD5s of parts. `layouts` says how the content may have been divided, the likeliest
        /// first; none where no size gives that many parts.
        case multipart(ETag, layouts: [PartLayout], isCertain: Bool)
        /// A SHA-256; nil: whatever arrives is right.
        case sha256([UInt8]?)
        /// There is nothing to compare with, so the content has to arrive twice in the same form.
        case nothing
    }

    let kind: Kind

    /// What an ETag that is not opaque promises.
    ///
    /// - Parameters:
    ///   - size: of the content, in bytes.
    ///   - parts: of a multipart upload; nil: unknown, so the usual part sizes are tried.
    ///   - isCertain: `parts` alone counts. Otherwise it is tried first, and the usual sizes after it.
    public static func etag(
        _ etag: ETag, size: Int64, parts: PartLayout? = nil, isCertain: Bool = true
    ) -> ExpectedDigest {
        if etag.parts == 0 { return ExpectedDigest(kind: .md5(etag)) }
        if let parts, isCertain {
            return ExpectedDigest(kind: .multipart(etag, layouts: [parts], isCertain: true))
        }
        var layouts = PartSizes.candidates(size: size, count: Int64(etag.parts)).map { PartLayout.even($0) }
        if let parts {
            layouts.removeAll { $0 == parts }
            layouts.insert(parts, at: 0)
        }
        return ExpectedDigest(kind: .multipart(etag, layouts: layouts, isCertain: false))
    }

    /// A SHA-256 of 32 bytes; nil where the ETag says nothing of the bytes and no SHA-256 is known.
    public static func sha256(_ digest: [UInt8]?) -> ExpectedDigest {
        ExpectedDigest(kind: .sha256(digest))
    }

    /// Nothing is known of the bytes, and one arrival is not enough.
    static let nothing = ExpectedDigest(kind: .nothing)

    /// The layout that is tried while the bytes pass; nil where the content has one digest.
    var parts: PartLayout? {
        if case .multipart(_, let layouts, _) = kind { return layouts.first }
        return nil
    }

    /// Whether the digest is a SHA-256 rather than an MD5.
    var isSHA256: Bool {
        switch kind {
        case .md5: false
        case .multipart(_, let layouts, _): layouts.isEmpty
        case .sha256, .nothing: true
        }
    }

    /// What is wrong with bytes that do not match, for messages.
    var mismatch: String {
        switch kind {
        case .md5(let etag): "its MD5 is not the ETag \(etag)"
        case .multipart(let etag, let layouts, _):
            if case .even(let size)? = layouts.first {
                "its parts of \(size) bytes do not match the ETag \(etag)"
            } else {
                "its parts do not match the ETag \(etag)"
            }
        case .sha256, .nothing: "its SHA-256 is not the one it is stored under"
        }
    }
}
