import Basics

/// What S3 keeps of an object besides its bytes: headers, user metadata and tags.
public struct ObjectHeaders: Sendable, Hashable {
    /// By name in lower case: `content-type` (absent: `binary/octet-stream`), `content-encoding`, `content-disposition`,
    /// `content-language`, `cache-control`, `expires`, `x-amz-website-redirect-location`, and `x-amz-meta-…`. Values are
    /// what the server sent.
    public var fields: [String: String]
    /// By name; names and values as they are, not encoded.
    public var tags: [String: String]
    /// Nothing else is there to be known; false where the tags were refused, or an earlier program did not record all.
    public var isComplete = true

    public init(fields: [String: String] = [:], tags: [String: String] = [:]) {
        self.fields = fields
        self.tags = tags
    }

    public static let metadataPrefix = "x-amz-meta-"
    /// Where tags stand in JSON: a name that no kept header has.
    private static let tagPrefix = "x-amz-tag:"

    /// Nothing but the bytes, as for most objects.
    public var isPlain: Bool { fields.isEmpty && tags.isEmpty }

    /// The names and values of the user metadata, without their prefix.
    public var metadata: [(name: String, value: String)] {
        fields.compactMap { name, value in
            name.hasPrefix(Self.metadataPrefix) ? (String(name.dropFirst(Self.metadataPrefix.count)), value) : nil
        }.sorted { $0.name < $1.name }
    }

    /// A JSON object of texts, sorted by name: equal headers have equal JSON.
    public var json: String {
        var pairs = fields.map { ($0.key, $0.value) }
        pairs += tags.map { (Self.tagPrefix + $0.key, $0.value) }
        var json = "{"
        for (index, (name, value)) in pairs.sorted(by: { $0.0 < $1.0 }).enumerated() {
            if index > 0 { json += "," }
            json += JSONLine.quoted(name) + ":" + JSONLine.quoted(value)
        }
        return json + "}"
    }

    /// Reads what ``json`` wrote; nil for anything else.
    public init?(json: [UInt8]) {
        guard let pairs = try? UntrustedJSON.decode([String: String].self, from: json) else { return nil }
        self.init()
        for (name, value) in pairs {
            if name.hasPrefix(Self.tagPrefix) {
                tags[String(name.dropFirst(Self.tagPrefix.count))] = value
            } else {
                fields[name] = value
            }
        }
    }

    /// Reads what indexes of the formats 1 and 2 have: two headers, and metadata without its prefix; nil for anything else.
    public init?(jsonOfFormat2 json: [UInt8]) {
        guard let pairs = try? UntrustedJSON.decode([String: String].self, from: json) else { return nil }
        self.init()
        for (name, value) in pairs {
            let isHeader = name == "content-type" || name == "content-encoding"
            fields[isHeader ? name : Self.metadataPrefix + name] = value
        }
        isComplete = false
    }
}
