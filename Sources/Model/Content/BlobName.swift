import Basics

/// What the name of a file below `blobs/` promises about its content.
public enum BlobName: Hashable, Sendable {
    /// The ETag, plain or of a multipart upload, vouches for it.
    case etag(ETag, size: Int64)
    /// The SHA-256 does.
    case sha256([UInt8], size: Int64)

    /// Nil if `name` is not a blob's name.
    public init?(_ name: String) {
        let text = Array(name.utf8)
        guard let dash = text.lastIndex(of: UInt8(ascii: "-")), let size = BlobName.number(text[(dash + 1)...]) else {
            return nil
        }
        let title = text[..<dash]
        if title.starts(with: "x-".utf8) {
            guard title.count == 66, !title.dropFirst(2).contains(where: { (65...70).contains($0) }),
                let digest = Hex.decode(title.dropFirst(2))
            else { return nil }
            self = .sha256(digest, size: size)
        } else {
            let etag = ETag(title)
            guard etag.verbatim == nil, title.count == 32 || etag.parts > 0 else { return nil }
            self = .etag(etag, size: size)
        }
        // One content, one name: other spellings of the same number (`…-007`) are refused.
        guard file == name else { return nil }
    }

    public var size: Int64 {
        switch self {
        case .etag(_, let size), .sha256(_, let size): size
        }
    }

    /// The file's name.
    public var file: String {
        switch self {
        case .etag(let etag, let size): "\(etag)-\(size)"
        case .sha256(let digest, let size): BlobName.file(sha256: digest, size: size)
        }
    }

    /// The name of a blob that its ETag vouches for; nil for an ETag of an unusual form, which cannot name a file.
    public static func file(etag: ETag, size: Int64) -> String? {
        etag.verbatim == nil ? "\(etag)-\(size)" : nil
    }

    /// The name of a blob that only its SHA-256 vouches for.
    public static func file(sha256: [UInt8], size: Int64) -> String {
        "x-\(Hex.encode(sha256))-\(size)"
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        guard (1...19).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(String(decoding: digits, as: UTF8.self))
    }
}
