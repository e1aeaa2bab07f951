import Download
import Index
import Listing
import Merge
import Store

/// What the sync of one inventory did, or would do in the case of a dry run.
public struct SyncOutcome: Sendable {
    /// The inventory's name.
    public var name: String
    /// How the bucket was listed for it; nil if it was not.
    public var listing: ListingProgress?
    /// Whether it had been synced before: then only what was missing was requested.
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
    /// Blobs requested, and the bytes of the distinct contents among them.
    public var wanted = 0
    public var wantedBytes: Int64 = 0
    /// Versions with contents of which only the headers were requested; of all whose headers were asked for, those that were
    /// refused, and those that failed otherwise; the first of these, as a sentence.
    public var wantedHeaders = 0
    public var askedHeaders = 0
    public var refusedHeaders = 0
    public var failedHeaders = 0
    public var headerExample: String?
    /// In a dry run: what the contents that are not in the store need of its disk, and what is free there.
    public var need: DiskNeed?
    public var room: DiskRoom?
    /// Blobs fetched, and their bytes.
    public var fetched = 0
    public var fetchedBytes: Int64 = 0
    /// Requests for blobs including retries, and how many of them were retries.
    public var requests = 0
    public var retries = 0
    /// Bytes of blobs received over the network, including discarded ones.
    public var receivedBytes: Int64 = 0
    /// How long the downloads took, and the whole sync.
    public var downloadMilliseconds: Int64 = 0
    public var milliseconds: Int64 = 0
    /// Objects that the source no longer has, and those that could not be fetched this time.
    public var gone = 0
    public var failed = 0
    /// Those among the failed that the source refused.
    public var refused = 0
    /// Listed versions whose contents are archived, or encrypted with a key of their owner: no failures.
    public var archived = StateCount()
    public var encrypted = StateCount()
    /// The first failures.
    public var examples: [String] = []
    /// Blobs that are expected, not in the store and not gone.
    public var missing = 0
}

extension SyncOutcome {
    /// Looks up what is really to be fetched, and where it has to go.
    mutating func measure(_ wants: FetchQueue, _ store: Store) throws {
        let room = try DiskRoom(store.path)
        let need = try wants.need(store, unit: room.free.unit)
        (self.room, self.need, wantedBytes) = (room, need, need.bytes)
    }

    mutating func take(headers summary: DownloadSummary) {
        askedHeaders = summary.askedHeaders.asked
        refusedHeaders = summary.askedHeaders.refused
        failedHeaders = summary.askedHeaders.failed
        headerExample = summary.askedHeaders.example
    }

    mutating func take(_ summary: IndexMerge.Summary) {
        rows = summary.rows
        duplicates = summary.duplicates
        keys = Int64(summary.keys)
        bytes = summary.bytes
        newVersions = summary.newVersions
        newBytes = summary.newBytes
        goneVersions = summary.goneVersions
        wanted = summary.wants
        wantedHeaders = summary.headerWants
        wantedBytes = summary.wantedBytes
        archived = summary.archived
        encrypted = summary.encrypted
    }
}
