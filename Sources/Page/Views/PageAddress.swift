import Model

/// What S3 clients call this server and what it serves.
struct PageAddress: Sendable {
    /// `http://127.0.0.1:9000`.
    var endpoint: String
    /// The bucket's name, before any date.
    var bucket: String
    /// The bucket of that name is the latest view.
    var hasLatest = true

    /// A command that copies what begins with a prefix, or one key.
    func s3(_ path: [UInt8], at: String?) -> String {
        let date = at ?? (hasLatest ? nil : "latest")
        let name = date.map { "\(bucket)--\(PageAddress.bucketPart($0))" } ?? bucket
        let source = "s3://\(name)/\(String(decoding: path, as: UTF8.self))"
        let isFolder = path.isEmpty || path.last == UInt8(ascii: "/")
        return "aws s3 cp --endpoint-url \(endpoint) \(isFolder ? "--recursive " : "")"
            + PageText.quoted(Array(source.utf8)) + " " + (isFolder ? "DIRECTORY" : ".")
    }

    /// A WHEN as the names of buckets have it: lower case, and without colons.
    private static func bucketPart(_ at: String) -> String {
        at.lowercased().replacing(":", with: "-")
    }
}
