import Basics
import Foundation

/// One request to S3, not signed yet.
public struct S3Request: Sendable {
    public enum Method: Sendable {
        case get, head, put, post, delete

        /// As HTTP has it.
        var name: String {
            switch self {
            case .get: "GET"
            case .head: "HEAD"
            case .put: "PUT"
            case .post: "POST"
            case .delete: "DELETE"
            }
        }
    }

    public var method: Method
    public var bucket: String
    /// The key's bytes, unencoded; empty for a request about the bucket.
    public var key: [UInt8]
    /// Requests this version; `null` is a version id like any other.
    public var versionId: String?
    /// Further parameters, unencoded; the value is empty for a bare word such as `uploads`.
    public var query: [(name: String, value: [UInt8])] = []
    /// The bytes to read; must not be empty.
    public var range: Range<Int64>?
    /// Only if the object still has this ETag (without quotation marks).
    public var ifMatch: String?
    /// Further headers, such as `If-None-Match`. Never Date, and none without a value but `x-amz-meta-…`.
    public var headers: [(name: String, value: String)] = []
    /// The body to send with PUT and POST.
    public var payload: [UInt8]?
    /// For PUT without a payload: the length of the body, which the transfer supplies piece by piece.
    public var uploadLength: Int64?
    /// How many bytes the answer must have, if that is known; fewer or more count as corrupt.
    public var expectedLength: Int64?

    public init(
        _ method: Method = .get, bucket: String, key: [UInt8] = [], versionId: String? = nil,
        range: Range<Int64>? = nil, ifMatch: String? = nil, expectedLength: Int64? = nil
    ) {
        self.method = method
        self.bucket = bucket
        self.key = key
        self.versionId = versionId
        self.range = range
        self.ifMatch = ifMatch
        self.expectedLength = expectedLength
    }

    /// Announces the MD5 of the body, so that the server refuses any other.
    public mutating func setContentMD5(_ md5: [UInt8]) {
        headers.append(("Content-MD5", Data(md5).base64EncodedString()))
    }

    /// Asks for the checksum that the server keeps of the object.
    public mutating func askForChecksum() {
        headers.append(("x-amz-checksum-mode", "ENABLED"))
    }

    /// `s3://bucket/key` for people: control characters and bytes that are not text are replaced.
    var displayName: String {
        "s3://\(bucket)/" + Display.text(key, limit: 300)
    }

    /// The additional headers as lines; nil if one of them could be read as two.
    func headerLines() -> [String]? {
        var lines: [String] = []
        func add(_ name: String, _ value: String) -> Bool {
            guard !value.isEmpty || name.hasPrefix("x-amz-meta-"),
                value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }),
                !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") })
            else { return false }
            lines.append("\(name): \(value)")
            return true
        }
        if let ifMatch, ifMatch.isEmpty || !add("If-Match", "\"\(ifMatch)\"") { return nil }
        for header in headers {
            if !add(header.name, header.value) { return nil }
        }
        return lines
    }
}

extension S3Request {
    /// Appends key and query, the URL's part after the bucket, in the form that is signed.
    func appendTarget(to url: inout [UInt8]) {
        url.append(UInt8(ascii: "/"))
        PercentEncoding.append(key, keepingSlashes: true, to: &url)
        if versionId == nil, query.isEmpty { return }
        var parameters = query
        if let versionId { parameters.append(("versionId", Array(versionId.utf8))) }
        // SigV4 sorts by the encoded names.
        var encoded: [(name: [UInt8], value: [UInt8])] = parameters.map { parameter in
            var name: [UInt8] = []
            var value: [UInt8] = []
            PercentEncoding.append(parameter.name.utf8, keepingSlashes: false, to: &name)
            PercentEncoding.append(parameter.value, keepingSlashes: false, to: &value)
            return (name, value)
        }
        encoded.sort { $0.name.lexicographicallyPrecedes($1.name) }
        var separator = UInt8(ascii: "?")
        for (name, value) in encoded {
            url.append(separator)
            url += name
            url.append(UInt8(ascii: "="))
            url += value
            separator = UInt8(ascii: "&")
        }
    }
}
