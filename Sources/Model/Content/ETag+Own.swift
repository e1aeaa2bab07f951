import Basics

/// Contents that are kept for one version alone.
///
/// An ETag is an MD5 at best, and two contents of one MD5 and one size can be made. A store that distrusts ETags files the
/// content of each version under an ETag that nobody else has: the given one, a space, and the SHA-256 of what makes the version
/// itself. Such an ETag is no MD5, so that the table `blob` leads from it to the SHA-256 of what really arrived.
extension ETag {
    /// How many bytes a version's own name adds.
    private static let suffixLength = 65

    /// What the content of one version is filed under.
    ///
    /// - Parameter versionId: nil: unknown.
    public func own(key: [UInt8], versionId: [UInt8]?, lastModified: Timestamp) -> ETag {
        // The lengths keep apart what could be written together in two ways.
        var text = Array("\(lastModified.milliseconds) \(versionId?.count ?? -1) ".utf8)
        text += versionId ?? []
        text += key
        var name = ETag(high: 0, low: 0, parts: 0)
        name.verbatim = Array("\(self) \(Hex.encode(SHA256.digest(text)))".utf8)
        return name
    }

    /// The ETag that S3 gave, of the text that a content is filed under.
    package static func given(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard bytes.count > suffixLength, bytes[bytes.count - suffixLength] == UInt8(ascii: " "),
            Hex.decode(bytes.suffix(suffixLength - 1)) != nil
        else { return text }
        return String(decoding: bytes.dropLast(suffixLength), as: UTF8.self)
    }
}
