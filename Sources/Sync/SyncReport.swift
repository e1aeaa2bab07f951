import Basics

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

/// How far the downloads of a sync have come.
public struct DownloadProgress: Sendable {
    /// Blobs done, those included that were there already or could not be had, of those asked for.
    public var objects = 0
    public var ofObjects = 0
    /// Their bytes, those of blobs that are not complete yet included.
    public var bytes: Int64 = 0
    public var ofBytes: Int64 = 0
    /// Bytes that came over the network, what was thrown away included.
    public var received: Int64 = 0
    /// Requests at this moment, and requests that had to be made again.
    public var inFlight = 0
    public var retries = 0
    public var gone = 0
    public var failed = 0
}

/// Where a sync says what it does; all calls come from the thread that syncs.
public protocol SyncReporter {
    /// How far it is; called often.
    func progress(_ progress: SyncProgress)
    /// Something worth a line.
    func note(_ text: String)
    /// Something that may be wrong.
    func warning(_ text: String)
}

/// What the sync of one inventory did, or for a dry run would do.
public struct SyncOutcome: Sendable {
    /// The inventory's name.
    public var name: String
    /// It had been synced before: only what was missing was asked for.
    public var wasKnown = false
    public var rows = 0
    public var duplicates = 0
    /// Keys and bytes in the snapshot's view.
    public var keys: Int64 = 0
    public var bytes: Int64 = 0
    /// Versions that are new to the store, and versions no longer listed.
    public var newVersions = 0
    public var newBytes: Int64 = 0
    public var goneVersions = 0
    /// Blobs asked for, and bytes of distinct content among them.
    public var wanted = 0
    public var wantedBytes: Int64 = 0
    /// Blobs fetched, and their bytes.
    public var fetched = 0
    public var fetchedBytes: Int64 = 0
    /// Requests for blobs, those made again included, and how many of them those are.
    public var requests = 0
    public var retries = 0
    /// Bytes of blobs that came over the network, what was thrown away included.
    public var receivedBytes: Int64 = 0
    /// How long the downloads took, and the whole.
    public var downloadMilliseconds: Int64 = 0
    public var milliseconds: Int64 = 0
    /// Objects that the source no longer has, and those that could not be had now.
    public var gone = 0
    public var failed = 0
    /// The first failures.
    public var examples: [String] = []
    /// Blobs that are expected and neither here nor gone.
    public var missing = 0
}
