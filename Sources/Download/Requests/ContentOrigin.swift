import Model
import Packs
import S3

/// Where contents come from.
public enum ContentOrigin: Sendable {
    /// The store's bucket, by its name.
    ///
    /// - Parameter hasOpaqueETags: the server's ETags say nothing of the bytes, whatever they look like.
    case bucket(String, hasOpaqueETags: Bool)
    /// A replica of the store: each content is one object, named as in the store, or a record of a pack.
    ///
    /// - Parameters:
    ///   - facts: what the index knows of a content beyond its ETag; called on the fetcher's thread.
    ///   - packs: says which contents are in packs, and where those are below the location.
    case replica(
        S3Location, facts: @Sendable (FetchRequest) throws -> (sha256: [UInt8]?, parts: PartLayout?),
        packs: (@Sendable (FetchRequest, BlobName) throws -> [PackedOrigin])? = nil)

    /// The bucket that requests go to.
    var bucketName: String {
        switch self {
        case .bucket(let name, _): name
        case .replica(let location, _, _): location.bucket
        }
    }
}

/// Where a content is in a pack, or a pack itself is.
public struct PackedOrigin: Sendable {
    /// Of the pack, from the replica's root.
    public var path: String
    /// Its name and the content's record; nil: the pack as a whole is what is wanted.
    public var record: (pack: PackName, record: PackRecord)?

    public init(path: String, record: (pack: PackName, record: PackRecord)?) {
        self.path = path
        self.record = record
    }
}
