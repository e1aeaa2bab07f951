import Foundation

/// What tests do to the buckets of a real server: see `servers/s3admin.py`.
public final class S3Admin: Sendable {
    /// One version or delete marker, as the server lists it.
    public struct ServedVersion: Codable, Sendable {
        public var key: String
        public var versionId: String
        public var isLatest: Bool
        public var deleteMarker: Bool
        public var size: Int64?
        /// `2024-03-01T01:00:00+00:00`
        public var lastModified: String
        public var etag: String
        public var storageClass: String?

        public init(
            key: String, versionId: String, isLatest: Bool, deleteMarker: Bool, size: Int64?, lastModified: String,
            etag: String
        ) {
            self.key = key
            self.versionId = versionId
            self.isLatest = isLatest
            self.deleteMarker = deleteMarker
            self.size = size
            self.lastModified = lastModified
            self.etag = etag
        }
    }

    /// An object to put.
    public struct NewObject: Sendable {
        public var key: String
        public var content: [UInt8]
        /// Not nil: in parts of so many bytes (at least 5 MiB, but for the last).
        public var partSize: Int?
        /// Not nil: in parts of these sizes.
        public var partSizes: [Int]?
        public var contentType: String?
        public var contentEncoding: String?
        public var metadata: [String: String] = [:]
        /// Further headers: `cacheControl`, `contentDisposition`, `contentLanguage`, `expires`, `redirect`.
        public var headers: [String: String] = [:]
        public var tags: [String: String] = [:]
        /// Not nil: with a checksum of this kind, such as `SHA256`.
        public var checksum: String?

        public init(
            key: String, content: [UInt8], partSize: Int? = nil, partSizes: [Int]? = nil, contentType: String? = nil,
            contentEncoding: String? = nil, metadata: [String: String] = [:], checksum: String? = nil
        ) {
            self.checksum = checksum
            self.key = key
            self.content = content
            self.partSize = partSize
            self.partSizes = partSizes
            self.contentType = contentType
            self.contentEncoding = contentEncoding
            self.metadata = metadata
        }

        fileprivate func arguments() throws -> [String: Any] {
            var arguments: [String: Any] = ["key": key]
            if content.count > 1 << 16 {
                // As JSON, a large content would take most of a test's time. Whoever puts it removes the file.
                let path = "\(NSTemporaryDirectory())/icecore-body-\(UUID().uuidString)"
                try Data(content).write(to: URL(filePath: path))
                arguments["file"] = path
            } else {
                arguments["body"] = Data(content).base64EncodedString()
            }
            if let partSize { arguments["partSize"] = partSize }
            if let partSizes { arguments["partSizes"] = partSizes }
            if let contentType { arguments["contentType"] = contentType }
            if let contentEncoding { arguments["contentEncoding"] = contentEncoding }
            if let checksum { arguments["checksum"] = checksum }
            if !metadata.isEmpty { arguments["metadata"] = metadata }
            if !tags.isEmpty { arguments["tags"] = tags }
            arguments.merge(headers) { _, new in new }
            return arguments
        }
    }

    /// Everything that a current object is.
    public struct DescribedObject: Decodable, Hashable, Sendable {
        public var key: String
        public var etag: String
        public var md5: String
        /// As the server sends them, names in lower case; metadata too.
        public var headers: [String: String]
        public var tags: [String: String]
    }

    /// What the server made of an object.
    public struct StoredObject: Decodable, Sendable {
        /// Nil in a bucket that never had versions.
        public var versionId: String?
        public var etag: String
    }

    /// What an inventory should be like.
    public struct InventoryOptions: Sendable {
        /// `2024-11-06T01-00Z`; nil: now.
        public var name: String?
        /// Only keys that begin so.
        public var prefix = ""
        /// The columns; nil: all that are known.
        public var schema: [String]?
        public var rowsPerFile = 1_000_000
        /// In no order, as AWS may.
        public var shuffle = false
        /// "Current version only": no VersionId, IsLatest, IsDeleteMarker.
        public var currentOnly = false
        /// A bucket to upload it to, under `<destinationPrefix>/<bucket>/all/`.
        public var destination: String?
        public var destinationPrefix = "inventory"
        /// Rows to write in place of the bucket's own.
        public var rows: [ServedVersion]?

        public init() {}
    }

    public struct MadeInventory: Decodable, Sendable {
        /// `2024-11-06T01-00Z`
        public var name: String
        public var rows: Int
        /// Where it stands in the destination bucket, with `/` at the end.
        public var prefix: String
    }

    private let conversation: Conversation

    public init(_ server: S3Server) throws {
        var ready: [String: Any] = [:]
        conversation = try Conversation(
            script: "s3admin.py", arguments: [server.endpoint, server.accessKey, server.secretKey], ready: &ready)
    }

    private func decode<Value: Decodable>(_ value: Any?) throws -> Value {
        try JSONDecoder().decode(Value.self, from: JSONSerialization.data(withJSONObject: value ?? [:]))
    }

    /// Makes a bucket. A public one may be read and listed by anybody.
    public func createBucket(_ bucket: String, versioned: Bool = true, isPublic: Bool = false) throws {
        _ = try conversation.ask(["do": "create_bucket", "bucket": bucket, "versioned": versioned, "public": isPublic])
    }

    /// Lets nobody read one key, not even the owner.
    public func deny(_ bucket: String, _ key: String, isPublic: Bool = false) throws {
        _ = try conversation.ask(["do": "deny", "bucket": bucket, "key": key, "public": isPublic])
    }

    /// `Enabled` or `Suspended`.
    public func setVersioning(_ bucket: String, _ status: String) throws {
        _ = try conversation.ask(["do": "set_versioning", "bucket": bucket, "status": status])
    }

    @discardableResult
    public func put(_ bucket: String, _ item: NewObject) throws -> StoredObject {
        try decode(conversation.ask(item.arguments().merging(["do": "put", "bucket": bucket]) { first, _ in first }))
    }

    @discardableResult
    public func put(_ bucket: String, _ key: String, _ content: [UInt8]) throws -> StoredObject {
        try put(bucket, NewObject(key: key, content: content))
    }

    /// Puts many objects, several at a time; those of one key in their order.
    @discardableResult
    public func put(_ bucket: String, _ items: [NewObject]) throws -> [StoredObject] {
        let items = try items.map { try $0.arguments() }
        let answer = try conversation.ask(["do": "put_many", "bucket": bucket, "items": items])
        return try decode(answer["results"])
    }

    /// Deletes a key: in a versioned bucket, puts a delete marker, whose version id this returns.
    @discardableResult
    public func delete(_ bucket: String, _ key: String) throws -> String? {
        try conversation.ask(["do": "delete", "bucket": bucket, "key": key])["versionId"] as? String
    }

    /// Deletes one version for good.
    public func deleteVersion(_ bucket: String, _ key: String, _ versionId: String) throws {
        _ = try conversation.ask(["do": "delete_version", "bucket": bucket, "key": key, "versionId": versionId])
    }

    /// The content as another client reads it.
    public func get(_ bucket: String, _ key: String, versionId: String? = nil) throws -> [UInt8] {
        var command: [String: Any] = ["do": "get", "bucket": bucket, "key": key]
        if let versionId { command["versionId"] = versionId }
        let body = try conversation.ask(command)["body"] as? String
        return Array(Data(base64Encoded: body ?? "") ?? Data())
    }

    /// What the current objects are, by key.
    public func describe(_ bucket: String, prefix: String = "") throws -> [DescribedObject] {
        try decode(conversation.ask(["do": "describe", "bucket": bucket, "prefix": prefix])["objects"])
    }

    /// Sets the tags of a current object; none: takes them away.
    public func setTags(_ bucket: String, _ key: String, _ tags: [String: String]) throws {
        _ = try conversation.ask(["do": "set_tags", "bucket": bucket, "key": key, "tags": tags])
    }

    /// All versions and delete markers, by key and newest first.
    public func listVersions(_ bucket: String, prefix: String = "") throws -> [ServedVersion] {
        try decode(conversation.ask(["do": "list_versions", "bucket": bucket, "prefix": prefix])["versions"])
    }

    /// The keys of uploads in parts that were begun and not finished.
    public func listUploads(_ bucket: String) throws -> [String] {
        try decode(conversation.ask(["do": "list_uploads", "bucket": bucket])["keys"])
    }

    /// Temporary credentials (only from a server with STS).
    public func assumeRole(seconds: Int = 900) throws -> (accessKey: String, secretKey: String, token: String) {
        let answer = try conversation.ask(["do": "assume_role", "seconds": seconds])
        guard let accessKey = answer["accessKeyId"] as? String, let secretKey = answer["secretAccessKey"] as? String,
            let token = answer["sessionToken"] as? String
        else { throw TestbedError("STS answered without credentials") }
        return (accessKey, secretKey, token)
    }

    /// Lets a user do what a document of IAM says, and nothing else (only at Ceph's gateway).
    public func setPolicy(of user: RGWServer.User, _ policy: [String: Any]) throws {
        _ = try conversation.ask(["do": "set_user_policy", "user": user.name, "policy": policy])
    }

    /// Writes the inventory that AWS would write of the bucket: `directory/<name>/manifest.json`, its checksum, and
    /// `directory/data/*.csv.gz`.
    @discardableResult
    public func makeInventory(
        of bucket: String, in directory: String, _ options: InventoryOptions = InventoryOptions()
    ) throws -> MadeInventory {
        var command: [String: Any] = [
            "do": "make_inventory", "bucket": bucket, "directory": directory, "prefix": options.prefix,
            "rowsPerFile": options.rowsPerFile, "shuffle": options.shuffle, "currentOnly": options.currentOnly,
            "destinationPrefix": options.destinationPrefix,
        ]
        if let name = options.name { command["name"] = name }
        if let schema = options.schema { command["schema"] = schema }
        if let destination = options.destination { command["destination"] = destination }
        if let rows = options.rows {
            command["given"] = try JSONSerialization.jsonObject(with: JSONEncoder().encode(rows))
        }
        return try decode(conversation.ask(command))
    }
}
