import Basics
import S3
import Store

/// The object at the source through which a wanted content can be had: how to ask for it, and whether an answer is it.
struct SourceObject {
    let want: Want
    let bucket: String
    /// Asks for the key as it is now, if it still has the ETag, instead of for the version.
    var byKey: Bool

    init(_ want: Want, bucket: String, byKey: Bool? = nil) {
        self.want = want
        self.bucket = bucket
        self.byKey = byKey ?? (want.versionId == nil)
    }

    /// A request for the object, or for some of its bytes.
    func request(_ method: S3Request.Method = .get, range: Range<Int64>? = nil) -> S3Request {
        let version = byKey ? nil : want.versionId.map { String(decoding: $0, as: UTF8.self) }
        return S3Request(
            method, bucket: bucket, key: want.key, versionId: version, range: range,
            ifMatch: version == nil ? want.etag.description : nil)
    }

    /// Whether what is at the source under this name can be replaced by something else.
    var isReplaceable: Bool {
        want.versionId == nil || want.versionId == Array("null".utf8)
    }

    /// Refuses an answer that is about another object.
    func check(_ head: S3ResponseHead) throws {
        if isReplaceable, let etag = head.etag, !isSame(etag) { throw Replaced(etag: etag) }
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
