import Basics

/// The location of a bucket's inventories.
public enum InventoryURL: Hashable, Sendable {
    /// The prefix is empty or ends with `/`.
    case s3(bucket: String, prefix: String)
    /// An absolute path without a `/` at the end.
    case file(path: String)

    /// Parses `s3://bucket/prefix/` or `file:///directory/`; the `/` at the end is optional.
    public init(_ text: String) throws(IcecoreError) {
        if text.hasPrefix("s3://") {
            let rest = text.dropFirst(5)
            var slash = rest.firstIndex(of: "/") ?? rest.endIndex
            // The ARN of an access point has a slash itself.
            if slash != rest.endIndex, rest.hasPrefix("arn:"), rest[..<slash].hasSuffix(":accesspoint") {
                slash = rest[rest.index(after: slash)...].firstIndex(of: "/") ?? rest.endIndex
            }
            let bucket = String(rest[..<slash])
            var prefix = String(rest[slash...].dropFirst())
            if !prefix.isEmpty, !prefix.hasSuffix("/") { prefix += "/" }
            if bucket.isEmpty { throw IcecoreError(.usage, "the inventory '\(text)' names no bucket") }
            self = .s3(bucket: bucket, prefix: prefix)
        } else if text.hasPrefix("file:///") {
            var path = String(text.dropFirst(7))
            while path.count > 1, path.hasSuffix("/") { path.removeLast() }
            if path.utf8.contains(0) { throw IcecoreError(.usage, "the inventory's path contains a NUL byte") }
            self = .file(path: path)
        } else {
            throw IcecoreError(
                .usage, "the inventory '\(text)' must have the form s3://BUCKET/PREFIX/ or file:///DIRECTORY/")
        }
    }
}
