import Model
import S3

extension ObjectHeaders {
    /// The names of headers that are an object's own, apart from metadata. `content-type` is always sent.
    private static let names: Set<String> = [
        "content-encoding", "content-disposition", "content-language", "cache-control", "expires",
        "x-amz-website-redirect-location",
    ]

    /// What can be sent: of the headers without a value only metadata, and none that is not an object's.
    private var sendable: [String: String] {
        fields.filter { name, value in
            name.hasPrefix(Self.metadataPrefix) || (!value.isEmpty && Self.names.contains(name))
        }
    }

    private var type: String { fields["content-type"] ?? "binary/octet-stream" }

    /// What to send with an object so that it gets these headers, metadata and tags.
    var toSend: [(name: String, value: String)] {
        var headers = sendable.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        headers.append(("Content-Type", type))
        if !tags.isEmpty { headers.append(("x-amz-tagging", S3Tagging(tags).header)) }
        return headers
    }

    /// Whether an object with other headers has the same, apart from tags and from what cannot be sent. Where not all of
    /// them are known, those that are count.
    func hasSameFields(as other: ObjectHeaders) -> Bool {
        if isComplete { return type == other.type && sendable == other.sendable }
        return (fields["content-type"] == nil || type == other.type)
            && sendable.allSatisfy { other.fields[$0.key] == $0.value }
    }

    /// Whether it is known which tags there are.
    var hasKnownTags: Bool { isComplete || !tags.isEmpty }
}
