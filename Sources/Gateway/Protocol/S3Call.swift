import Basics
import Web

/// A request, read as one of S3: which bucket, which key, and what of it.
struct S3Call {
    var request: WebRequest
    var isHead: Bool
    /// Empty for the service itself.
    var bucket: [UInt8]
    /// Empty for the bucket itself. Nothing in it is normalized.
    var key: [UInt8]
    var query: QueryItems

    /// - Parameter domain: names of hosts below it begin with a bucket's name.
    init(_ request: WebRequest, domain: String?) throws(S3Refusal) {
        self.request = request
        isHead = request.method == "HEAD"
        guard request.path.first == UInt8(ascii: "/"),
            let path = URLCoding.decode(request.path.dropFirst(), isQuery: false),
            let query = QueryItems(request.query)
        else {
            throw S3Refusal(400, "InvalidURI", "Couldn't parse the specified URI.")
        }
        self.query = query
        if let domain, let bucket = S3Call.bucket(ofHost: request.header("host") ?? "", below: domain) {
            self.bucket = bucket
            key = path
            return
        }
        let slash = path.firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex
        bucket = Array(path[..<slash])
        key = slash == path.endIndex ? [] : Array(path[(slash + 1)...])
        if bucket.isEmpty, !key.isEmpty {
            throw S3Refusal(400, "InvalidBucketName", "The specified bucket is not valid.")
        }
    }

    /// The name that a host has before the domain; nil if it is the domain itself, or another host.
    static func bucket(ofHost host: String, below domain: String) -> [UInt8]? {
        let host = HostRule.name(of: host).lowercased()
        let end = "." + domain.lowercased()
        guard host.hasSuffix(end), host.utf8.count > end.utf8.count else { return nil }
        return Array(host.utf8.dropLast(end.utf8.count))
    }

    /// What S3 has besides contents and listings.
    private static let subresources: [StaticString] = [
        "abac", "accelerate", "acl", "analytics", "append", "cors", "encryption", "intelligent-tiering", "inventory",
        "legal-hold", "lifecycle", "logging", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable",
        "metadataTable", "metrics", "notification", "object-lock", "ownershipControls", "policy", "policyStatus",
        "publicAccessBlock", "renameObject", "replication", "requestPayment", "restore", "retention", "select",
        "session", "torrent", "uploadId", "uploads", "website",
    ]

    /// Refuses what writes, and sub-resources that are not there.
    func refuseOthers() throws(S3Refusal) {
        guard isHead || request.method == "GET" else { throw .readOnly }
        for name in S3Call.subresources where query.contains(name) { throw .notImplemented("?\(name)") }
        if query.contains("tagging"), key.isEmpty { throw .notImplemented("?tagging of a bucket") }
        for name in ["versions", "location", "versioning"] as [StaticString] where query.contains(name) {
            if !key.isEmpty || bucket.isEmpty { throw .notImplemented("?\(name) here") }
        }
        if query.contains("attributes"), key.isEmpty { throw .notImplemented("?attributes of a bucket") }
    }
}
