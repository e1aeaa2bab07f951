import Basics

extension S3Client {
    /// Lists a bucket page by page (ListObjectsV2).
    ///
    /// - Parameters:
    ///   - prefix: only keys that begin with it.
    ///   - delimiter: groups keys that share what comes up to the first delimiter after the prefix.
    ///   - startAfter: only keys after this one in byte order.
    ///   - body: called with each page; false ends the listing.
    public func list(
        bucket: String, prefix: [UInt8] = [], delimiter: [UInt8]? = nil, startAfter: [UInt8]? = nil,
        pageSize: Int = 1000, body: (S3ListPage) throws -> Bool
    ) throws {
        var token: [UInt8]?
        while true {
            var request = S3Request(.get, bucket: bucket)
            request.query = [("list-type", Array("2".utf8)), ("encoding-type", Array("url".utf8))]
            if pageSize != 1000 { request.query.append(("max-keys", Array(String(pageSize).utf8))) }
            if !prefix.isEmpty { request.query.append(("prefix", prefix)) }
            if let delimiter, !delimiter.isEmpty { request.query.append(("delimiter", delimiter)) }
            if let token {
                request.query.append(("continuation-token", token))
            } else if let startAfter, !startAfter.isEmpty {
                request.query.append(("start-after", startAfter))
            }
            // 1000 keys of 1024 bytes, all encoded, are 3 MB.
            let page = try S3ListPage(xml: try send(request, limit: 64 << 20).bytes)
            guard try body(page), let next = page.nextToken else { return }
            if next == token {
                throw IcecoreError(
                    .invalidData, "the server's listing of \(bucket) repeats the same page")
            }
            token = next
        }
    }

    /// The common prefixes directly below a prefix, each up to and including the delimiter.
    ///
    /// - Parameter limit: the most to accept; more is `invalidData`.
    public func listPrefixes(
        bucket: String, prefix: [UInt8], delimiter: [UInt8] = [UInt8(ascii: "/")], startAfter: [UInt8]? = nil,
        limit: Int = 1_000_000
    ) throws -> [[UInt8]] {
        var prefixes: [[UInt8]] = []
        try list(bucket: bucket, prefix: prefix, delimiter: delimiter, startAfter: startAfter) { page in
            prefixes += page.prefixes
            if prefixes.count > limit {
                throw IcecoreError(
                    .invalidData, "the listing of \(bucket) has more than \(limit) entries")
            }
            return true
        }
        return prefixes
    }
}
