import Basics

/// The id of a version. A report without the column leaves it unknown, which is not the same as `null`; unknown comes
/// before any id, ids by their bytes.
public enum VersionID: Hashable, Comparable, Sendable {
    case unknown
    case id(ByteString)

    /// The id of what is put while a bucket has no versioning.
    public static let null = VersionID.id("null")

    /// The id, nil if it is unknown.
    public var bytes: ByteString? {
        switch self {
        case .unknown: nil
        case .id(let bytes): bytes
        }
    }
}

extension VersionID: CustomStringConvertible {
    public var description: String { bytes?.string ?? "(unknown id)" }
}

extension VersionID: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) {
        self = .id(ByteString(text))
    }
}

/// An object version or a delete marker, by what identifies it (rule 2). The size never differs where the rest agrees.
public struct Version: Hashable, Sendable {
    public var key: ByteString
    public var id: VersionID
    public var lastModified: Timestamp
    /// Without quotation marks; empty for a marker.
    public var etag: ByteString
    public var isMarker: Bool
    /// In bytes; 0 for a marker.
    public var size: Int64

    public init(
        key: ByteString, id: VersionID, lastModified: Timestamp, etag: ByteString, isMarker: Bool = false,
        size: Int64 = 0
    ) {
        self.key = key
        self.id = id
        self.lastModified = lastModified
        self.etag = etag
        self.isMarker = isMarker
        self.size = size
    }
}

extension Version: CustomStringConvertible {
    public var description: String {
        let content = isMarker ? "delete marker" : "\(etag.string), \(size) bytes"
        return "\(key) \(id) \(lastModified) \(content)"
    }
}

/// What a view holds: for each key the version that is current, which is never a marker.
public typealias ShownVersions = [ByteString: Version]
