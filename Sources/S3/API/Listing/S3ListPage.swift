import Basics

/// One answer of ListObjectsV2.
public struct S3ListPage: Sendable {
    public var objects: [S3ListedObject] = []
    /// The common prefixes, each up to and including the delimiter.
    public var prefixes: [[UInt8]] = []
    private(set) var nextToken: [UInt8]?

    /// Reads the answer's XML.
    init(xml: [UInt8]) throws(IcecoreError) {
        var object = S3ListedObject()
        var hasKey = false
        var isTruncated: Bool?
        // Decoding waits for the end of the document, since EncodingType may come last.
        var isEncoded = false
        try XMLReader.forEachElement(of: xml, root: "ListBucketResult") { element throws(IcecoreError) in
            let path = element.path
            if path.count == 3, path[1] == "Contents" {
                if element.name == "Key" { hasKey = true }
                try object.take(element)
            } else if path.count == 3, path[1] == "CommonPrefixes", element.name == "Prefix" {
                prefixes.append(element.text)
            } else if path.count == 2 {
                switch element.name {
                case "Contents":
                    guard hasKey else { throw S3ListPage.damaged("an object has no key") }
                    objects.append(object)
                    object = S3ListedObject()
                    hasKey = false
                case "IsTruncated":
                    let value = element.string
                    guard value == "true" || value == "false" else {
                        throw S3ListPage.damaged("IsTruncated is neither true nor false")
                    }
                    isTruncated = value == "true"
                case "NextContinuationToken": nextToken = element.text
                case "EncodingType": isEncoded = element.string == "url"
                default: break
                }
            }
        }
        guard let isTruncated else { throw S3ListPage.damaged("IsTruncated is missing") }
        if !isTruncated {
            nextToken = nil
        } else if nextToken?.isEmpty ?? true {
            throw S3ListPage.damaged("it is truncated, but has no NextContinuationToken")
        }
        if isEncoded { try decode() }
    }

    static func damaged(_ what: String) -> IcecoreError {
        IcecoreError(.invalidData, "the server's listing is damaged: \(what)")
    }

    private mutating func decode() throws(IcecoreError) {
        for index in objects.indices {
            guard let key = PercentEncoding.decode(objects[index].key) else {
                throw S3ListPage.damaged("a key is not percent-encoded")
            }
            objects[index].key = key
        }
        for index in prefixes.indices {
            guard let prefix = PercentEncoding.decode(prefixes[index]) else {
                throw S3ListPage.damaged("a prefix is not percent-encoded")
            }
            prefixes[index] = prefix
        }
    }
}

extension S3ListedObject {
    /// Takes one of the elements of `Contents`; those that nobody needs are ignored.
    fileprivate mutating func take(_ element: XMLElement) throws(IcecoreError) {
        switch element.name {
        case "Key": key = element.text
        case "Size":
            guard let number = Int64(element.string), number >= 0 else {
                throw S3ListPage.damaged("an object's size is not a number")
            }
            size = number
        case "ETag": etag = String(element.string.filter { $0 != "\"" })
        case "LastModified": lastModified = Timestamp(rfc3339: element.string)
        default: break
        }
    }
}
