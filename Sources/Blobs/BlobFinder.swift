import Model
import Packs

/// Finds contents for one thread that asks in the order of keys: what lies next to the last one in its pack is found without
/// a look into the catalogue.
public final class BlobFinder {
    public let blobs: Blobs
    private var last: PackedBlob?

    public init(_ blobs: Blobs) {
        self.blobs = blobs
    }

    /// As ``Blobs/find(etag:size:near:sha256:)``.
    public func find(etag: ETag, size: Int64, sha256: () throws -> [UInt8]?) throws -> BlobPlace? {
        let place = try blobs.find(etag: etag, size: size, near: last, sha256: sha256)
        if case .packed(let packed) = place { last = packed }
        return place
    }
}
