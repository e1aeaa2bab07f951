import Basics

/// Contents kept for a single version.
///
/// An ETag is an MD5 at best, and two contents with the same MD5 and size can be forged. A store that distrusts ETags
/// files the content of each version under a unique ETag: the given one, a space, and the SHA-256 of the version's
/// identity. Such an ETag is not an MD5, so the table `blob` maps it to the SHA-256 of what actually arrived.
extension ETag {
    /// Bytes that a version's own name adds.
    private static let suffixLength = 65

    /// The ETag under which the content of one version is filed.
    ///
    /// - Parameter versionId: nil if unknown.
    public func filed(key: [UInt8], versionId: [UInt8]?, lastModified: Timestamp) -> ETag {
        // The lengths make the concatenation unambiguous.
        var text = Array("\(lastModified.milliseconds) \(versionId?.count ?? -1) ".utf8)
        text += versionId ?? []
        text += key
        var name = ETag(high: 0, low: 0, parts: 0)
        name.verbatim = Array("\(self) \(Hex.encode(SHA256.digest(text)))".utf8)
        return name
    }

    /// The ETag as S3 gave it, from the text under which a content is filed.
    package static func given(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard bytes.count > suffixLength, bytes[bytes.count - suffixLength] == UInt8(ascii: " "),
            Hex.decode(bytes.suffix(suffixLength - 1)) != nil
        else { return text }
        return String(decoding: bytes.dropLast(suffixLength), as: UTF8.self)
    }
}
