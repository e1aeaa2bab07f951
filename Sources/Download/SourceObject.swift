import Basics
import Blobs
import Model
import S3

/// Where contents come from.
public enum ContentOrigin: Sendable {
    /// The bucket that the store keeps, by its name.
    case bucket(String)
    /// A replica of the store: every content is one object, named as in the store.
    ///
    /// - Parameter facts: what the index says of a content beside its ETag; called on the fetcher's thread.
    case replica(S3Location, facts: @Sendable (Want) throws -> (sha256: [UInt8]?, partSize: Int64?))
}

/// The object at the source through which a wanted content can be had: how to ask for it, and whether an answer is it.
struct SourceObject {
    let want: Want
    let bucket: String
    /// The object is a blob of a replica.
    let replica: Blob?

    /// A blob of a replica: its key, and what is known of its content.
    struct Blob {
        var key: [UInt8]
        /// The ETag is no MD5 of anything; this is what the content must have.
        var sha256: [UInt8]?
        var partSize: Int64?
    }

    /// Asks for the key as it is now, if it still has the ETag, instead of for the version.
    var byKey: Bool

    init(_ want: Want, _ origin: ContentOrigin) throws {
        self.want = want
        byKey = want.versionId == nil
        switch origin {
        case .bucket(let name):
            bucket = name
            replica = nil
        case .replica(let location, let facts):
            bucket = location.bucket
            let (sha256, partSize) = try facts(want)
            let name = sha256.map { BlobName.file(sha256: $0, size: want.size) } ?? want.contentName
            replica = Blob(
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

    /// Whether what is at the source under this name can be replaced by something else.
    var isReplaceable: Bool {
        replica == nil && (want.versionId == nil || want.versionId == Array("null".utf8))
    }

    /// Whether the ETag says nothing of the bytes.
    func isOpaque(_ head: S3ResponseHead) -> Bool {
        if let replica { return replica.sha256 != nil }
        return want.isOpaque || want.etag.verbatim != nil || head.hasOpaqueETag
    }

    /// What is known of the object without asking.
    var knownDescription: DescriptionTransfer.Description? {
        replica.map { .init(partSize: $0.partSize, isOpaque: $0.sha256 != nil, headers: nil) }
    }

    /// Refuses an answer that is about another object.
    func check(_ head: S3ResponseHead) throws {
        if isReplaceable, let etag = head.etag, !isSame(etag) { throw Replaced(etag: etag) }
        if want.isOwn, replica == nil, byKey || isReplaceable { try checkVersion(head) }
    }

    /// Refuses another version that has the same ETag: an MD5 says little to those who distrust it.
    private func checkVersion(_ head: S3ResponseHead) throws {
        if let wanted = want.versionId, let given = head.versionId, Array(given.utf8) != wanted {
            throw Replaced(etag: head.etag ?? "")
        }
        guard let time = head.lastModifiedTime else {
            throw S3Failure.corrupt("the answer does not say when the object was modified")
        }
        // HTTP has no fractions of seconds; whether they were cut off or rounded is the server's affair.
        let difference = time.milliseconds - want.lastModified.milliseconds
        if abs(difference) >= 1000 { throw Replaced(etag: head.etag ?? "") }
    }

    /// Whether an ETag that a server gave is the one of the inventory, however it is spelled.
    private func isSame(_ given: String) -> Bool {
        let plain = (given.hasPrefix("W/") ? given.dropFirst(2) : given[...]).filter { $0 != "\"" }
        return want.etag.verbatim == nil ? plain.lowercased() == want.etag.description : plain == want.etag.description
    }

    /// The object at the source is another one now.
    struct Replaced: Error {
        var etag: String
    }
}
