import Model
import S3

/// Where contents come from.
public enum ContentOrigin: Sendable {
    /// The store's bucket, by its name.
    ///
    /// - Parameter hasOpaqueETags: the server's ETags say nothing of the bytes, whatever they look like.
    case bucket(String, hasOpaqueETags: Bool)
    /// A replica of the store: each content is one object, named as in the store.
    ///
    /// - Parameter facts: what the index knows of a content beyond its ETag; called on the fetcher's thread.
    case replica(S3Location, facts: @Sendable (FetchRequest) throws -> (sha256: [UInt8]?, parts: PartLayout?))

    /// The bucket that requests go to.
    var bucketName: String {
        switch self {
        case .bucket(let name, _): name
        case .replica(let location, _): location.bucket
        }
    }
}
