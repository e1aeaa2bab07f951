import Blobs
import Model

/// The content of an object to be made.
package enum UploadPayload: Sendable {
    case bytes([UInt8])
    /// A blob of the store: where it is, and what it has to be.
    case blob(BlobPlace, BlobName, parts: PartLayout?)

    /// In bytes.
    package var size: Int64 {
        switch self {
        case .bytes(let bytes): Int64(bytes.count)
        case .blob(_, let name, _): name.size
        }
    }
}
