import Listing
import Sync

/// What every sync says.
private struct SyncRecord: Encodable {
    let name: String
    let dryRun: Bool
    let wasKnown: Bool
    let rows: Int
    let keys: Int64
    let bytes: Int64
    let newVersions: Int
    let goneVersions: Int
    let wanted: Int
    let wantedBytes: Int64
    let fetched: Int
    let fetchedBytes: Int64
    let requests: Int
    let retries: Int
    let receivedBytes: Int64
    let downloadMilliseconds: Int64
    let milliseconds: Int64
    let gone: Int
    let failed: Int
    let refused: Int
    let archived: Int64
    let archivedBytes: Int64
    let encrypted: Int64
    let headersAsked: Int
    let headersRefused: Int
    let headersFailed: Int

    init(_ outcome: SyncOutcome, dryRun: Bool) {
        name = outcome.name
        self.dryRun = dryRun
        wasKnown = outcome.wasKnown
        rows = outcome.rows
        keys = outcome.keys
        bytes = outcome.bytes
        newVersions = outcome.newVersions
        goneVersions = outcome.goneVersions
        wanted = outcome.wanted
        wantedBytes = outcome.wantedBytes
        fetched = outcome.fetched
        fetchedBytes = outcome.fetchedBytes
        requests = outcome.requests
        retries = outcome.retries
        receivedBytes = outcome.receivedBytes
        downloadMilliseconds = outcome.downloadMilliseconds
        milliseconds = outcome.milliseconds
        gone = outcome.gone
        failed = outcome.failed
        refused = outcome.refused
        archived = outcome.archived.versions
        archivedBytes = outcome.archived.bytes
        encrypted = outcome.encrypted.versions
        headersAsked = dryRun ? outcome.wantedHeaders : outcome.askedHeaders
        headersRefused = outcome.refusedHeaders
        headersFailed = outcome.failedHeaders
    }
}

/// What a dry run says besides.
private struct DiskRecord: Encodable {
    let wantedFiles: Int64
    let wantedDiskBytes: Int64
    let freeBytes: Int64
    let freeFiles: Int64?

    init?(_ outcome: SyncOutcome) {
        guard let need = outcome.need, let room = outcome.room else { return nil }
        wantedFiles = need.files
        wantedDiskBytes = need.diskBytes
        freeBytes = room.free.bytes
        freeFiles = room.free.files
    }
}

/// What it took to list the bucket.
private struct ListingRecord: Encodable {
    let listedRows: Int
    let listedEarlier: Int
    let listRequests: Int
    let listRetries: Int
    let listBytes: Int64
    let listMilliseconds: Int64

    init(_ listing: ListingProgress) {
        listedRows = listing.rows
        listedEarlier = listing.earlierRows
        listRequests = listing.requests
        listRetries = listing.retries
        listBytes = listing.bytes
        listMilliseconds = listing.milliseconds
    }
}

/// What a sync prints with `--json`: one object.
struct SyncReport: Encodable {
    private let sync: SyncRecord
    private let disk: DiskRecord?
    private let listing: ListingRecord?

    init(_ outcome: SyncOutcome, dryRun: Bool) {
        sync = SyncRecord(outcome, dryRun: dryRun)
        disk = DiskRecord(outcome)
        listing = outcome.listing.map { ListingRecord($0) }
    }

    func encode(to encoder: any Encoder) throws {
        try sync.encode(to: encoder)
        try disk?.encode(to: encoder)
        try listing?.encode(to: encoder)
    }
}
