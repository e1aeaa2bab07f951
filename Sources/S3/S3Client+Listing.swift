import Basics

/// One object of a listing.
public struct S3ListedObject: Sendable {
    public var key: [UInt8] = []
    public var size: Int64 = 0
    /// Without quotation marks.
    public var etag = ""
    public var lastModified: Timestamp?
}

/// One answer of ListObjectsV2.
public struct S3ListPage: Sendable {
    public var objects: [S3ListedObject] = []
    /// What has more below it, up to and with the delimiter.
    public var prefixes: [[UInt8]] = []
    var nextToken: [UInt8]?

    /// Reads the answer's XML.
    init(xml: [UInt8]) throws(IcecoreError) {
        var reader = ListReader(xml)
        self = try reader.read()
    }

    fileprivate init() {}
}

/// Reads the XML of ListObjectsV2. Keys are decoded only after the end: EncodingType may come last.
private struct ListReader {
    private var reader: XMLReader
    private var page = S3ListPage()
    private var path: [String] = []
    private var text: [UInt8] = []
    private var object = S3ListedObject()
    private var hasKey = false
    private var isTruncated: Bool?
    private var isEncoded = false

    init(_ xml: [UInt8]) {
        reader = XMLReader(xml)
    }

    private func damaged(_ what: String) -> IcecoreError {
        IcecoreError(.invalidData, "the server's listing is damaged: \(what)")
    }

    mutating func read() throws(IcecoreError) -> S3ListPage {
        loop: while true {
            switch try reader.next() {
            case .start(let name):
                path.append(name)
                text.removeAll(keepingCapacity: true)
                if path.count == 1, name != "ListBucketResult" { throw damaged("it is no ListBucketResult") }
                if path.count == 2, name == "Contents" {
                    object = S3ListedObject()
                    hasKey = false
                }
            case .text(let more):
                text += more
            case .end:
                try end()
                path.removeLast()
                text.removeAll(keepingCapacity: true)
            case .endOfDocument:
                break loop
            }
        }
        guard let isTruncated else { throw damaged("IsTruncated is missing") }
        if !isTruncated {
            page.nextToken = nil
        } else if page.nextToken?.isEmpty ?? true {
            throw damaged("it is truncated, but does not say where to go on")
        }
        if isEncoded { try decode() }
        return page
    }

    private mutating func end() throws(IcecoreError) {
        let value = String(decoding: text, as: UTF8.self)
        switch path.count {
        case 2:
            switch path[1] {
            case "IsTruncated":
                guard value == "true" || value == "false" else {
                    throw damaged("IsTruncated is neither true nor false")
                }
                isTruncated = value == "true"
            case "NextContinuationToken": page.nextToken = text
            case "EncodingType": isEncoded = value == "url"
            case "Contents":
                guard hasKey else { throw damaged("an object has no key") }
                page.objects.append(object)
            default: break
            }
        case 3 where path[1] == "Contents":
            switch path[2] {
            case "Key":
                object.key = text
                hasKey = true
            case "Size":
                guard let size = Int64(value), size >= 0 else { throw damaged("an object's size is no number") }
                object.size = size
            case "ETag": object.etag = String(value.filter { $0 != "\"" })
            case "LastModified": object.lastModified = Timestamp(rfc3339: value)
            default: break
            }
        case 3 where path[1] == "CommonPrefixes" && path[2] == "Prefix":
            page.prefixes.append(text)
        default: break
        }
    }

    private mutating func decode() throws(IcecoreError) {
        for index in page.objects.indices {
            guard let key = PercentEncoding.decode(page.objects[index].key) else { throw damaged("a key's encoding") }
            page.objects[index].key = key
        }
        for index in page.prefixes.indices {
            guard let prefix = PercentEncoding.decode(page.prefixes[index]) else {
                throw damaged("a prefix's encoding")
            }
            page.prefixes[index] = prefix
        }
    }
}

extension S3Client {
    /// Lists a bucket, page after page (ListObjectsV2).
    ///
    /// - Parameters:
    ///   - prefix: only keys that begin so.
    ///   - delimiter: rolls keys up to the first one after the prefix into a common prefix.
    ///   - startAfter: only keys after this one in byte order.
    ///   - body: told of each page; false ends the listing.
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
                    .invalidData, "the server's listing of \(bucket) does not go on: the same page again")
            }
            token = next
        }
    }

    /// What is directly below a prefix and has more below it: each up to and with the delimiter.
    ///
    /// - Parameter limit: the most to accept; more is `invalidData`.
    public func listPrefixes(
        bucket: String, prefix: [UInt8], delimiter: [UInt8] = [UInt8(ascii: "/")], startAfter: [UInt8]? = nil,
        limit: Int = 1_000_000
    ) throws -> [[UInt8]] {
        var prefixes: [[UInt8]] = []
        try list(bucket: bucket, prefix: prefix, delimiter: delimiter, startAfter: startAfter) { page in
            prefixes += page.prefixes
            try S3Client.check(prefixes.count, limit, bucket)
            return true
        }
        return prefixes
    }

    /// The objects below a prefix, in byte order of their keys.
    ///
    /// - Parameter limit: the most to accept; more is `invalidData`.
    public func listKeys(
        bucket: String, prefix: [UInt8], delimiter: [UInt8]? = nil, startAfter: [UInt8]? = nil, limit: Int = 1_000_000
    ) throws -> [S3ListedObject] {
        var objects: [S3ListedObject] = []
        try list(bucket: bucket, prefix: prefix, delimiter: delimiter, startAfter: startAfter) { page in
            objects += page.objects
            try S3Client.check(objects.count, limit, bucket)
            return true
        }
        return objects
    }

    private static func check(_ count: Int, _ limit: Int, _ bucket: String) throws {
        if count > limit {
            throw IcecoreError(
                .invalidData, "the listing of \(bucket) has more than \(limit) entries, which is not plausible")
        }
    }
}
