import Basics

/// What `s3://bucket/prefix` names.
public struct S3Location: Hashable, Sendable {
    public var bucket: String
    /// A key or a prefix of keys, as bytes; empty for the whole bucket.
    public var key: [UInt8]

    public init(bucket: String, key: [UInt8] = []) {
        self.bucket = bucket
        self.key = key
    }

    /// Parses `s3://bucket`, `s3://bucket/` or `s3://bucket/any/key`, where the bucket may be an access point's ARN.
    /// Nothing in the key is decoded.
    public init(_ text: String) throws(IcecoreError) {
        guard text.hasPrefix("s3://") else {
            throw IcecoreError(.usage, "'\(Display.text(text, limit: 200))' is not of the form s3://BUCKET/PREFIX")
        }
        let rest = text.utf8.dropFirst(5)
        var slash = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        if slash != rest.endIndex, text.hasPrefix("s3://arn:"), text[..<slash].hasSuffix(":accesspoint") {
            let name = rest.index(after: slash)
            slash = rest[name...].firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        }
        bucket = String(decoding: rest[..<slash], as: UTF8.self)
        key = slash == rest.endIndex ? [] : Array(rest[rest.index(after: slash)...])
        if AccessPoint.isARN(bucket) {
            _ = try AccessPoint(arn: bucket)
            return
        }
        guard S3Location.isBucketName(bucket) else {
            throw IcecoreError(.usage, "'\(Display.text(bucket, limit: 200))' is not the name of a bucket")
        }
    }

    /// Whether this is a valid bucket name, by today's rules or the laxer ones for old buckets.
    public static func isBucketName(_ name: String) -> Bool {
        (3...255).contains(name.utf8.count) && name != "..." && name.utf8.allSatisfy(isBucketCharacter)
    }

    /// Whether requests can be made for it: a bucket's name or the ARN of an access point.
    static func isBucket(_ name: String) -> Bool {
        isBucketName(name) || AccessPoint.isARN(name) && (try? AccessPoint(arn: name)) != nil
    }

    private static func isBucketCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Whether the bucket's name can precede a host's. Several labels are covered by no certificate.
    static func isHostName(_ bucket: String, isEncrypted: Bool) -> Bool {
        if isEncrypted { return isHostLabel(bucket) }
        return bucket.utf8.count <= 63
            && bucket.split(separator: ".", omittingEmptySubsequences: false)
                .allSatisfy { !$0.isEmpty && isHostLabel(String($0)) }
    }

    /// Whether the bucket's name can be a single label of a host name, which a wildcard certificate covers.
    static func isHostLabel(_ bucket: String) -> Bool {
        bucket.utf8.count <= 63 && !bucket.hasPrefix("-") && !bucket.hasSuffix("-")
            && bucket.utf8.allSatisfy { isBucketCharacter($0) && $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "_") }
            && bucket == bucket.lowercased()
    }
}

extension S3Location: CustomStringConvertible {
    public var description: String { "s3://\(bucket)/\(Display.text(key, limit: 1024))" }
}
