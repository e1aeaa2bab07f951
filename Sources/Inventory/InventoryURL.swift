import Basics

/// The location of a bucket's inventories.
public enum InventoryURL: Hashable, Sendable {
    /// The prefix is empty or ends with `/`.
    case s3(bucket: String, prefix: String)
    /// An absolute path without a `/` at the end.
    case file(path: String)

    /// Parses `s3://bucket/prefix/` or `file:///directory/`; the `/` at the end is optional.
    ///
    /// - Throws: `usage`, with what may have been meant.
    public init(_ text: String) throws(IcecoreError) {
        let shown = Display.text(text, limit: 300)
        func refuse(_ problem: String) -> IcecoreError { IcecoreError(.usage, "the inventory '\(shown)' \(problem)") }
        if let part = InventoryURL.tooDeep(text) {
            throw refuse(
                "is too deep: give the folder that holds the dates, without '\(Display.text(part, limit: 100))'")
        }
        if text.hasPrefix("s3://") {
            let rest = text.dropFirst(5)
            var slash = rest.firstIndex(of: "/") ?? rest.endIndex
            // The ARN of an access point has a slash itself.
            let isARN = rest.hasPrefix("arn:")
            if slash != rest.endIndex, isARN, rest[..<slash].hasSuffix(":accesspoint") {
                slash = rest[rest.index(after: slash)...].firstIndex(of: "/") ?? rest.endIndex
            }
            let bucket = String(rest[..<slash])
            var prefix = String(rest[slash...].dropFirst())
            if !prefix.isEmpty, !prefix.hasSuffix("/") { prefix += "/" }
            if bucket.isEmpty { throw refuse("names no bucket: it must have the form s3://BUCKET/PREFIX/") }
            guard isARN || InventoryURL.isBucketName(bucket) else {
                throw refuse(
                    "names the bucket '\(Display.text(bucket, limit: 100))': a bucket's name has at least 3 characters, all "
                        + "of them letters, digits, '.', '-' or '_'")
            }
            self = .s3(bucket: bucket, prefix: prefix)
        } else if text.hasPrefix("file:///") {
            var path = String(text.dropFirst(7))
            while path.count > 1, path.hasSuffix("/") { path.removeLast() }
            if path.utf8.contains(0) { throw refuse("has a NUL byte in its path") }
            self = .file(path: path)
        } else {
            let slip =
                text.hasPrefix("/")
                ? ": for a directory, write file://\(shown)"
                : text.hasPrefix("file:")
                    ? ": a directory is given by its absolute path, after three slashes"
                    : text.contains("://") ? ": URLs of the web or of a console are not understood" : ""
            throw refuse("must have the form s3://BUCKET/PREFIX/ or file:///DIRECTORY/\(slip)")
        }
    }

    /// The last component if it is one date's folder, or a file in it.
    private static func tooDeep(_ text: String) -> String? {
        let parts = text.split(separator: "/")
        guard let last = parts.last else { return nil }
        if last == "manifest.json" || last == "manifest.checksum" { return parts.suffix(2).joined(separator: "/") }
        // 2024-11-06T01-00Z
        let isDate = zip(last.utf8, "dddd-dd-ddTdd-ddZ".utf8).allSatisfy { byte, form in
            form == UInt8(ascii: "d") ? (48...57).contains(byte) : byte == form
        }
        return isDate && last.utf8.count == 17 ? String(last) : nil
    }

    private static func isBucketName(_ name: String) -> Bool {
        (3...255).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (97...122).contains(byte) || (65...90).contains(byte)
                    || [45, 46, 95].contains(byte)
            }
    }
}
