import Model

/// Something to put at a path of a replica.
struct UploadJob: Sendable {
    enum Payload: Sendable {
        case bytes([UInt8])
        /// A blob of the store: its file, and what it has to be.
        case blob(file: String, BlobName, parts: PartLayout?)
    }

    var path: String
    var payload: Payload
    /// An earlier push may have sent it: look before sending.
    var mayExist = false

    var size: Int64 {
        switch payload {
        case .bytes(let bytes): Int64(bytes.count)
        case .blob(_, let name, _): name.size
        }
    }
}

/// How an upload can end.
enum UploadOutcome: Sendable {
    case done
    /// The store's file is not what its name says, or cannot be read.
    case damaged(String)
}
