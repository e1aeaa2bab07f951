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
    static func given(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard bytes.count > suffixLength, bytes[bytes.count - suffixLength] == UInt8(ascii: " "),
            Hex.decode(bytes.suffix(suffixLength - 1)) != nil
        else { return text }
        return String(decoding: bytes.dropLast(suffixLength), as: UTF8.self)
    }
}

extension VersionIdentity {
    /// What the content of the version is filed under; nil for a marker.
    public func contentETag(key: [UInt8], _ flags: EntryRow.Flags) -> ETag? {
        guard flags.contains(.own) else { return etag }
        return etag?.own(key: key, versionId: versionId, lastModified: lastModified)
    }
}

extension EntryRow {
    /// What the content of the row is filed under; nil for markers and directories.
    ///
    /// - Parameter prefix: of the row's directory.
    public func contentETag(prefix: @autoclosure () throws -> [UInt8]) rethrows -> ETag? {
        guard let etag = etagValue else { return nil }
        guard flags.contains(.own) else { return etag }
        return etag.own(
            key: try prefix() + Array(name), versionId: versionIsUnknown ? nil : Array(versionId),
            lastModified: lastModified)
    }
}

/// The prefixes of directories, for a connection that writes. The one that was asked for last is remembered.
final class DirectoryPrefixes {
    private let parent: Statement
    private var last: (directory: Int64, prefix: [UInt8]) = (IndexReader.root, [])

    init(_ connection: Connection) throws(IcecoreError) {
        parent = try connection.prepare("SELECT parent, name FROM directory WHERE id = ?1")
    }

    /// The prefix of keys that a directory stands for; empty for the root, and for an id that the index does not have.
    func prefix(of directory: Int64) throws(IcecoreError) -> [UInt8] {
        if directory == last.directory { return last.prefix }
        var components: [[UInt8]] = []
        var current = directory
        while current != IndexReader.root {
            parent.bind(1, current)
            defer { parent.reset() }
            guard try parent.step(), parent.integer(0) < current else { return [] }
            components.append(Array(parent.bytes(1)))
            current = parent.integer(0)
        }
        last = (directory, Array(components.reversed().joined()))
        return last.prefix
    }
}
