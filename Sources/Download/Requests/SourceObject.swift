import Basics
import Blobs
import Model
import S3

/// The object at the source that has a wanted content: how to request it, and whether an answer is about it.
struct SourceObject {
    let want: FetchRequest
    let bucket: String
    /// The object is a blob of a replica.
    let replica: ReplicaBlob?

    /// A blob of a replica: its key, and what is known of its content.
    struct ReplicaBlob {
        var key: [UInt8]
        /// The SHA-256 of a content whose ETag is not an MD5.
        var sha256: [UInt8]?
        var partSize: Int64?
    }

    /// Requests the current object of the key, if it still has the ETag, instead of the version.
    var byKey: Bool

    init(_ want: FetchRequest, _ origin: ContentOrigin) throws {
        self.want = want
        byKey = want.versionId == nil
        switch origin {
        case .bucket(let name):
            bucket = name
            replica = nil
        case .replica(let location, let facts):
            bucket = location.bucket
            let (sha256, partSize) = try facts(want)
            let name = sha256.map { BlobName.file(sha256: $0, size: want.size) } ?? want.blobName
            replica = ReplicaBlob(
                key: location.key + Array("blobs/\(Blobs.fan(name))/\(name)".utf8), sha256: sha256, partSize: partSize)
        }
    }

    /// A request for the object, or for some of its bytes.
    func request(_ method: S3Request.Method = .get, range: Range<Int64>? = nil) -> S3Request {
        if let replica { return S3Request(method, bucket: bucket, key: replica.key, range: range) }
        let version = byKey ? nil : want.versionId.map { String(decoding: $0, as: UTF8.self) }
        return S3Request(
            method, bucket: bucket, key: want.key, versionId: version, range: range,
            ifMatch: version == nil ? want.etag.description : nil)
    }

    /// Whether something else can take the object's place under this name.
    var isReplaceable: Bool {
        replica == nil && (want.versionId == nil || want.versionId == Array("null".utf8))
    }

    /// Whether a request by version id that was refused may succeed by key.
    ///
    /// Public buckets often let anyone read the current object, but not versions by their ids.
    func isWorthAskingByKey(after failure: S3Failure) -> Bool {
        failure.status == 403 && !failure.isArchived && want.isLatest && !byKey
    }

    /// What is known of the object without a request.
    var knownDescription: ObjectDescription? {
        replica.map { .init(partSize: $0.partSize, isOpaque: $0.sha256 != nil, headers: nil) }
    }

    /// Refuses an answer about another object.
    func check(_ head: S3ResponseHead) throws {
        if isReplaceable, let etag = head.etag, !isSame(etag) { throw Replaced(etag: etag) }
        if want.isFiledByVersion, replica == nil, byKey || isReplaceable { try checkVersion(head) }
    }

    /// Refuses another version with the same ETag, for contents whose ETags are distrusted.
    private func checkVersion(_ head: S3ResponseHead) throws {
        if let wanted = want.versionId, let given = head.versionId, Array(given.utf8) != wanted {
            throw Replaced(etag: head.etag ?? "")
        }
        guard let time = head.lastModifiedTime else {
            throw S3Failure.corrupt("the answer has no modification time")
        }
        // HTTP dates have no fractions of a second, and servers may cut them off or round them.
        let difference = time.milliseconds - want.lastModified.milliseconds
        if abs(difference) >= 1000 { throw Replaced(etag: head.etag ?? "") }
    }

    /// Whether the server's ETag is the one of the inventory, whatever its spelling.
    private func isSame(_ given: String) -> Bool {
        let plain = (given.hasPrefix("W/") ? given.dropFirst(2) : given[...]).filter { $0 != "\"" }
        return want.etag.verbatim == nil ? plain.lowercased() == want.etag.description : plain == want.etag.description
    }

    /// Another object has taken its place at the source.
    struct Replaced: Error {
        var etag: String
    }
}
