import Basics
import Index
import Model

/// An object that the view shows, and the target is to have.
struct WantedObject {
    /// In the source's bucket.
    var key: [UInt8]
    /// Empty if unknown.
    var versionId: [UInt8]
    var etag: ETag
    /// What the content is filed under.
    var contentETag: ETag
    var size: Int64
    var lastModified: Timestamp
    /// Nil: not known.
    var headers: ObjectHeaders?
    var flags: EntryRow.Flags
    /// The newest inventory lists the version.
    var isListed: Bool
    /// The newest inventory marks it latest.
    var isLatest: Bool

    /// Digest of everything that the target is to have: the content, headers, metadata, tags. Two objects with the same
    /// digest are the same, whatever ETags servers give them.
    var digest: [UInt8] {
        let known = headers.map { ($0.isComplete ? "all " : "some ") + $0.json } ?? "unknown"
        let text = "\(contentETag)\n\(size)\n\(known)"
        return Array(SHA256.digest(Array(text.utf8)).prefix(16))
    }

    /// How to ask the source for the content.
    var fetchRequest: FetchRequest {
        FetchRequest(
            key: key, versionId: versionId.isEmpty ? nil : versionId, etag: etag, contentETag: contentETag, size: size,
            isLatest: isLatest, isOpaque: flags.contains(.opaque), isArchived: flags.contains(.archived),
            lastModified: lastModified, replacedAt: .distantFuture)
    }
}
