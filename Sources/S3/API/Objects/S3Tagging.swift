import Basics

/// The tags of an object: names and values, as they are. S3 allows ten; other servers have other limits.
public struct S3Tagging: Sendable, Equatable {
    public var tags: [String: String]

    public init(_ tags: [String: String] = [:]) {
        self.tags = tags
    }

    /// The most bytes that an answer with tags can have: more than S3 allows, but not enough to do harm.
    public static let answerLimit = 1 << 20

    /// Reads the answer to ``S3Request/tagging(_:bucket:key:versionId:)``.
    ///
    /// - Throws: `invalidData` for anything but tags that have different names.
    public init(xml: [UInt8]) throws(IcecoreError) {
        var found: [String: String] = [:]
        var name: String?
        var value = ""
        try XMLReader.forEachElement(of: xml, root: "Tagging") { element throws(IcecoreError) in
            let path = element.path
            guard path.count >= 3, path[1] == "TagSet", path[2] == "Tag" else { return }
            if path.count == 4 {
                guard let text = String(validating: element.text, as: UTF8.self) else {
                    throw S3Tagging.damaged("one of them is not UTF-8")
                }
                if element.name == "Key" { name = text }
                if element.name == "Value" { value = text }
            } else if path.count == 3 {
                guard let name else { throw S3Tagging.damaged("one of them has no name") }
                guard found.updateValue(value, forKey: name) == nil else {
                    throw S3Tagging.damaged("two of them have the same name")
                }
                value = ""
            }
            if path.count == 3 { name = nil }
        }
        tags = found
    }

    private static func damaged(_ what: String) -> IcecoreError {
        IcecoreError(.invalidData, "the server's list of tags is damaged: \(what)")
    }

    /// The document that sets these tags, sorted by name.
    var xml: [UInt8] {
        var text = "<Tagging><TagSet>"
        for (name, value) in tags.sorted(by: { $0.key < $1.key }) {
            text += "<Tag><Key>\(XMLText.escaped(name))</Key><Value>\(XMLText.escaped(value))</Value></Tag>"
        }
        return Array((text + "</TagSet></Tagging>").utf8)
    }

    /// The value of the header `x-amz-tagging`, sorted by name: `name=value&…`, percent-encoded. Empty without tags.
    public var header: String {
        var text: [UInt8] = []
        for (name, value) in tags.sorted(by: { $0.key < $1.key }) {
            if !text.isEmpty { text.append(UInt8(ascii: "&")) }
            PercentEncoding.append(name.utf8, keepingSlashes: false, to: &text)
            text.append(UInt8(ascii: "="))
            PercentEncoding.append(value.utf8, keepingSlashes: false, to: &text)
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension S3Request {
    /// Asks for the tags of an object (GET), or takes them all away (DELETE).
    public static func tagging(
        _ method: Method = .get, bucket: String, key: [UInt8], versionId: String? = nil
    ) -> S3Request {
        var request = S3Request(method, bucket: bucket, key: key, versionId: versionId)
        request.query = [("tagging", [])]
        return request
    }

    /// Replaces the tags of an object.
    public static func setting(
        _ tagging: S3Tagging, bucket: String, key: [UInt8], versionId: String? = nil
    ) -> S3Request {
        var request = S3Request.tagging(.put, bucket: bucket, key: key, versionId: versionId)
        let document = tagging.xml
        request.payload = document
        request.headers = [("Content-Type", "application/xml")]
        request.setContentMD5(MD5.digest(document))
        return request
    }
}

extension S3Client {
    /// The tags of an object; none if it has none.
    public func tagging(bucket: String, key: [UInt8], versionId: String? = nil) throws -> S3Tagging {
        let request = S3Request.tagging(bucket: bucket, key: key, versionId: versionId)
        return try S3Tagging(xml: try send(request, limit: S3Tagging.answerLimit).bytes)
    }

    /// Replaces the tags of an object; without any, takes them away.
    public func setTagging(_ tagging: S3Tagging, bucket: String, key: [UInt8], versionId: String? = nil) throws {
        do {
            _ = try send(S3Request.setting(tagging, bucket: bucket, key: key, versionId: versionId))
        } catch {
            guard tagging.tags.isEmpty else { throw error }
            // Not the first choice: it leaves the tags in a versioned bucket of Ceph's gateway.
            _ = try send(S3Request.tagging(.delete, bucket: bucket, key: key, versionId: versionId))
        }
    }
}
