import Basics
import Model

/// Bytes at a path of a replica, and a tag that changes whenever they do.
struct StoredBytes {
    var bytes: [UInt8]
    var tag: String
}

/// Something to be put at a path of a replica.
struct UploadJob: Sendable {
    enum Content: Sendable {
        case bytes([UInt8])
        /// A blob of the store, and what it has to be.
        case blob(file: String, BlobName, partSize: Int64?)
    }

    var path: String
    var content: Content
    /// An earlier push may have sent it: it is looked for before it is sent.
    var mayBeThere = false

    var size: Int64 {
        switch content {
        case .bytes(let bytes): Int64(bytes.count)
        case .blob(_, let name, _): name.size
        }
    }
}

/// What can become of an upload.
enum UploadOutcome: Sendable {
    case done
    /// What lies in the store is not what its name says, or cannot be read.
    case damaged(String)
}

/// Notes of what may be left behind at a replica, written before it is made.
protocol UploadNotes: AnyObject {
    /// An upload in parts is about to begin.
    func willUpload(_ path: String) throws
    /// It has this id.
    func uploading(_ path: String, id: String) throws
    /// Nothing of it is left but the finished object, if that.
    func uploaded(_ path: String) throws
}

/// Where a replica lies. All paths are relative to its root, and every call returns when its effect is durable.
protocol ReplicaStorage: AnyObject {
    /// The content at a path; nil: there is none.
    ///
    /// - Parameter limit: the most bytes to accept.
    func read(_ path: String, limit: Int) throws -> StoredBytes?

    /// Puts a small content at a path, whatever is there.
    func write(_ path: String, _ bytes: [UInt8]) throws

    /// Replaces the content at a path if it still has the tag (nil: if there is none).
    ///
    /// - Returns: false if somebody else was faster.
    func exchange(_ path: String, _ bytes: [UInt8], expecting tag: String?) throws -> Bool

    /// Finds out, by trying, whether ``exchange(_:_:expecting:)`` keeps its promise. Why not, as the end of a sentence; nil: it does.
    ///
    /// - Parameter path: of a file that may be used for it, and that is removed.
    func reasonAgainstExchange(tryingAt path: String) throws -> String?

    /// Removes what is there of these.
    func remove(_ paths: [String]) throws

    /// All paths that begin so, with their sizes.
    func list(_ prefix: String, _ body: (String, Int64) throws -> Void) throws

    /// Puts many contents there, several at a time.
    ///
    /// - Parameters:
    ///   - next: the next one; nil: there are no more.
    ///   - done: told of each when it is durable, or cannot be had from the store.
    ///   - progress: told of the bytes sent so far, several times a second.
    func upload(
        _ next: () throws -> UploadJob?, notes: UploadNotes, done: (UploadJob, UploadOutcome) throws -> Void,
        progress: @escaping (Int64) -> Void) throws

    /// Gives up what an upload in parts may have left at a path.
    ///
    /// - Parameter id: of the upload, as far as it is known.
    func abortUpload(_ path: String, id: String?) throws
}
