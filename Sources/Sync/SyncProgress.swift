/// How far a sync has come.
public enum SyncProgress: Sendable {
    /// List files of an inventory on their way to the local disk.
    case fetchingLists(done: Int, of: Int)
    /// Rows merged, list files read to their ends, and the compressed bytes that this took, of all.
    case merging(rows: Int64, files: Int, ofFiles: Int, bytes: Int64, of: Int64)
    /// Blobs on their way.
    case downloading(DownloadProgress)
    /// The changes are being made visible.
    case committing
}
