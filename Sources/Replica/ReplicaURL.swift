import Basics
import S3

/// Where a replica is.
public enum ReplicaURL: Sendable, Equatable {
    /// The absolute path of a directory.
    case directory(String)
    /// A bucket and the prefix of all keys, which is empty or ends with `/`.
    case bucket(S3Location)

    /// Reads `file:///directory` or `s3://bucket[/prefix]`.
    ///
    /// - Throws: `usage` for anything else.
    public init(_ text: String) throws(IcecoreError) {
        if text.hasPrefix("file://") {
            var path = String(text.dropFirst(7))
            while path.count > 1, path.hasSuffix("/") { path.removeLast() }
            guard path.hasPrefix("/"), !path.contains("\0") else {
                throw IcecoreError(.usage, "'\(text)' must have the form file:///DIRECTORY, with an absolute path")
            }
            self = .directory(path)
            return
        }
        guard text.hasPrefix("s3://") else {
            throw IcecoreError(.usage, "'\(text)' is not a replica: use file:///DIRECTORY or s3://BUCKET/PREFIX")
        }
        var location = try S3Location(text)
        while location.key.last == UInt8(ascii: "/") { location.key.removeLast() }
        // Paths in a replica have at most 200 bytes; a key may have 1024.
        guard location.key.count <= 800, location.key.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw IcecoreError(.usage, "the prefix in '\(text)' is too long, or has control characters")
        }
        if !location.key.isEmpty { location.key.append(UInt8(ascii: "/")) }
        self = .bucket(location)
    }
}

extension ReplicaURL: CustomStringConvertible {
    public var description: String {
        switch self {
        case .directory(let path): "file://\(path)"
        case .bucket(let location): location.description
        }
    }
}
