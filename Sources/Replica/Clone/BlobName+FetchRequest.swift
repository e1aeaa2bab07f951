import Basics
import Model

extension ReplicaItem {
    /// Something to fetch: its key is its name. Nil for the file of an inventory, which nothing vouches for.
    var want: FetchRequest? {
        switch self {
        case .blob(let blob): blob.want(as: name)
        case .pack(let pack, let size): BlobName.sha256(pack.digest, size: size).want(as: name)
        case .inventoryFile: nil
        }
    }
}

extension BlobName {
    fileprivate func want(as key: String) -> FetchRequest {
        let etag: ETag
        switch self {
        case .etag(let plain, _): etag = plain
        // The name without the size: no object has such an ETag, and it vouches for nothing.
        case .sha256(let digest, _): etag = ETag(Array("x-\(Hex.encode(digest))".utf8))
        }
        return FetchRequest(
            key: Array(key.utf8), versionId: nil, etag: etag, size: size, isLatest: false, isOpaque: false,
            isArchived: false, lastModified: .distantPast, replacedAt: .distantFuture)
    }
}
