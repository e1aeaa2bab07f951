import Listing

/// How far a sync has come.
public enum SyncProgress: Sendable {
    /// The bucket is being listed.
    case listing(ListingProgress)
    /// The list files of an inventory are being fetched.
    case fetchingLists(done: Int, of: Int)
    /// Rows merged, list files read to the end, and compressed bytes read, of the totals.
    case merging(rows: Int64, files: Int, ofFiles: Int, bytes: Int64, of: Int64)
    /// Blobs are being fetched.
    case downloading(DownloadProgress)
    /// The changes are being made visible.
    case committing
}
