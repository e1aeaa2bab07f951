import Upload

/// The bytes at a path of a replica, and a tag that changes whenever they do.
struct StoredBytes {
    var bytes: [UInt8]
    var tag: String
}

/// The place that holds a replica. All paths are relative to its root; every call returns once its effect is durable.
protocol ReplicaStorage: AnyObject {
    /// The content at a path; nil: nothing is there.
    ///
    /// - Parameter limit: the most bytes to accept.
    func read(_ path: String, limit: Int) throws -> StoredBytes?

    /// Puts a small content at a path, replacing whatever is there.
    func write(_ path: String, _ bytes: [UInt8]) throws

    /// Replaces the content at a path if it still has the tag (nil: if nothing is there).
    ///
    /// - Returns: false if another writer was faster.
    func exchange(_ path: String, _ bytes: [UInt8], expecting tag: String?) throws -> Bool

    /// The same for a content that no other writer writes: if the answer to it was lost, that is noticed.
    ///
    /// - Returns: the tag of what is there now; nil if another writer was faster.
    func replace(_ path: String, _ bytes: [UInt8], expecting tag: String?) throws -> String?

    /// Tries out whether ``exchange(_:_:expecting:)`` keeps its promise.
    ///
    /// - Parameter path: of a file to try it on, which is removed afterwards.
    /// - Returns: nil if it does; otherwise why not, as the end of a sentence.
    func reasonAgainstExchange(tryingAt path: String) throws -> String?

    /// Removes those of these paths that exist.
    func remove(_ paths: [String]) throws

    /// Calls `body` with every path that has the prefix, and its size.
    func list(_ prefix: String, _ body: (String, Int64) throws -> Void) throws

    /// Uploads many contents, several at a time.
    ///
    /// - Parameters:
    ///   - next: the next one; nil: there are no more.
    ///   - done: called for each when it is durable, or when the store's file turns out to be damaged.
    ///   - progress: called several times a second with the bytes sent so far.
    func upload(
        _ next: () throws -> UploadJob?, journal: UploadJournal, done: (UploadJob, UploadOutcome) throws -> Void,
        progress: @escaping (Int64) -> Void) throws

    /// Aborts whatever an upload in parts may have left at a path.
    ///
    /// - Parameter id: of the upload; nil: unknown.
    func abortUpload(_ path: String, id: String?) throws
}
