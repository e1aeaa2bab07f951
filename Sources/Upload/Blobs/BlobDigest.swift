import Download
import Model

/// The digest that a blob's name promises, computed while its bytes pass.
package struct BlobDigest: ~Copyable {
    private let name: BlobName
    /// Nil where one pass cannot tell.
    private var digest: ContentDigest?

    /// - Parameter parts: the recorded ones of a multipart upload; without them one pass cannot tell.
    package init(_ name: BlobName, parts: PartLayout?) {
        self.name = name
        switch name {
        case .sha256(let expected, _): digest = ContentDigest(.sha256(expected))
        case .etag(let etag, let size) where etag.parts == 0 || parts != nil:
            digest = ContentDigest(.etag(etag, size: size, parts: parts))
        case .etag: digest = nil
        }
    }

    /// Whether the name promises the digests of parts.
    package static func needsParts(_ name: BlobName) -> Bool {
        if case .etag(let etag, _) = name { return etag.parts > 0 }
        return false
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        digest?.update(bytes)
    }

    /// Takes the MD5 of the next part of a multipart upload, in place of its bytes.
    package mutating func append(part md5: [UInt8]) {
        digest?.append(md5)
    }

    /// What is wrong with the content; nil: nothing was found.
    package consuming func problem() -> String? {
        guard let digest = digest.take() else { return nil }
        if digest.matches() { return nil }
        switch name {
        case .sha256: return "its SHA-256 is not the one in its name"
        case .etag(let etag, _) where etag.parts == 0: return "its MD5 is not the one in its name"
        case .etag: return "its parts do not match its name"
        }
    }
}
