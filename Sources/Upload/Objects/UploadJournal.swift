/// A record of uploads in parts, written before they can leave anything behind at the replica.
package protocol UploadJournal: AnyObject {
    /// An upload in parts is about to begin at this path.
    func willBegin(_ path: String) throws
    /// The upload has begun, with this ID.
    func didBegin(_ path: String, id: String) throws
    /// Nothing is left of the upload except, possibly, the finished object.
    func didEnd(_ path: String) throws
}

/// For storage where uploads leave nothing behind.
package final class NoUploadJournal: UploadJournal {
    package init() {}

    package func willBegin(_ path: String) throws {}
    package func didBegin(_ path: String, id: String) throws {}
    package func didEnd(_ path: String) throws {}
}
