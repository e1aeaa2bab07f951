import Basics
import Model

extension BlobName {
    /// The blob as something to fetch: its key is its name.
    var want: FetchRequest {
        let etag: ETag
        switch self {
        case .etag(let plain, _): etag = plain
        // The name without the size: no object has such an ETag, and it vouches for nothing.
        case .sha256(let digest, _): etag = ETag(Array("x-\(Hex.encode(digest))".utf8))
        }
        return FetchRequest(
            key: Array(file.utf8), versionId: nil, etag: etag, size: size, isLatest: false, isOpaque: false,
            isArchived: false, lastModified: .distantPast, replacedAt: .distantFuture)
    }
}
