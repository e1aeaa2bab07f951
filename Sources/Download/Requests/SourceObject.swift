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
        /// Where the content begins in the pack that the key is of; nil: it is an object of its own.
        var start: Int64?
        /// The SHA-256 of a content whose ETag is not an MD5.
        var sha256: [UInt8]?
        /// Those of a multipart upload.
        var parts: PartLayout?
    }

    /// The server's ETags say nothing of the bytes.
    let hasOpaqueETags: Bool

    /// Requests the current object of the key, if it still has the ETag, instead of the version.
    var byKey: Bool

    init(_ want: FetchRequest, _ origin: ContentOrigin) throws {
        self.want = want
        byKey = want.versionId == nil
        switch origin {
        case .bucket(let name, let hasOpaqueETags):
            bucket = name
            replica = nil
            self.hasOpaqueETags = hasOpaqueETags
        case .replica(let location, let facts, let packs):
            bucket = location.bucket
            hasOpaqueETags = false
            let (sha256, parts) = try facts(want)
            let name = sha256.map { BlobName.sha256($0, size: want.size) } ?? .etag(want.contentETag, size: want.size)
            let packed = try packs?(want, name).first
            let file = sha256.map { BlobName.file(sha256: $0, size: want.size) } ?? want.blobName
            replica = ReplicaBlob(
                key: location.key + Array((packed?.path ?? "blobs/\(Blobs.fan(file))/\(file)").utf8),
                start: packed?.record?.record.content.lowerBound, sha256: sha256, parts: parts)
        }
    }

    /// A request for the object, or for some of its bytes.
    func request(_ method: S3Request.Method = .get, range: Range<Int64>? = nil) -> S3Request {
        if let replica { return S3Request(method, bucket: bucket, key: replica.key, range: rangeInObject(range)) }
        let version = byKey ? nil : want.versionId.map { String(decoding: $0, as: UTF8.self) }
        var request = S3Request(
            method, bucket: bucket, key: want.key, versionId: version, range: range,
            ifMatch: version == nil && !hasUnusualSpelling ? want.etag.description : nil)
        if range == nil, asksForChecksum { request.askForChecksum() }
        return request
    }

    /// Which bytes of the object are these of the content; nil: all.
    func rangeInObject(_ range: Range<Int64>?) -> Range<Int64>? {
        guard let start = replica?.start else { return range }
        let range = range ?? 0..<want.size
        return start + range.lowerBound..<start + range.upperBound
    }

    /// Whether the content is a part of another object.
    var isPacked: Bool { replica?.start != nil }

    /// Whether the source's checksum may be needed. Where the ETag is the MD5, it is not.
    var asksForChecksum: Bool {
        replica == nil && (hasOpaqueETags || want.isOpaque || want.etag.verbatim != nil || want.etag.parts > 0)
    }

    /// Whether the server may spell the ETag otherwise than the inventory does: then only its answer can be compared.
    private var hasUnusualSpelling: Bool {
        guard let text = want.etag.verbatim else { return false }
        return ETag(SourceObject.plain(text)).verbatim != text
    }

    /// An ETag without its quotation marks and the mark of a weak one; hexadecimal digits in lower case.
    private static func plain(_ text: some Sequence<UInt8>) -> [UInt8] {
        let text = Array(text)
        let plain = (text.starts(with: "W/".utf8) ? text.dropFirst(2) : text[...]).filter { $0 != UInt8(ascii: "\"") }
        let lower = plain.map { (65...70).contains($0) ? $0 | 0x20 : $0 }
        return ETag(lower).verbatim == nil ? lower : plain
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
        replica.map { .init(parts: $0.parts, isOpaque: $0.sha256 != nil, headers: nil) }
    }

    /// Refuses an answer about another object.
    func check(_ head: S3ResponseHead) throws {
        // Nothing but the answer tells.
        let isUnconditional = byKey && replica == nil && hasUnusualSpelling
        if isReplaceable || isUnconditional {
            if let etag = head.etag {
                if !isSame(etag) { throw Replaced(etag: etag) }
            } else if isUnconditional {
                throw S3Failure.corrupt("the answer has no ETag")
            }
        }
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
        SourceObject.plain(given.utf8) == SourceObject.plain(want.etag.description.utf8)
    }

    /// Another object has taken its place at the source.
    struct Replaced: Error {
        var etag: String
    }
}
