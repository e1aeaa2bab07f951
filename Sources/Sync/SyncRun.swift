import Basics
import Download
import Index
import Inventory
import Merge
import Model
import S3
import Store

/// What a sync is asked to do.
public struct SyncOptions: Sendable {
    /// Which inventories.
    public enum Selection: Sendable {
        case newest
        /// An inventory's name, or a date: the last one of that day.
        case one(String)
        /// All from one to another, both names or dates, both included.
        case range(from: String, to: String)
    }

    public var selection = Selection.newest
    public var filter: String?
    public var metadataOnly = false
    /// From now on so many inventories are kept; `.some(nil)`: all. Nil: as before.
    public var keepInventories: Int??
    /// From now on every version is fetched on its own, whatever others have its ETag.
    public var distrustETags = false
    public var dryRun = false
    /// The most requests in flight.
    public var jobs = 64
    /// What is fetched in chunks.
    public var chunks = ChunkLimits()
    /// The most bytes a second, of inventories and of objects.
    public var limitRate: Int64?
    /// The requester pays, also where the store's configuration does not say so.
    public var requesterPays = false

    public init() {}
}

/// Brings a store up to one or more inventories: read, plan, download, commit.
public final class SyncRun {
    private var store: Store
    private let options: SyncOptions
    private let reporter: SyncReporter
    private var policy: Policy
    private let client: S3Client
    private let source: InventorySource

    /// - Parameter environment: of the process: credentials, endpoint, region.
    public init(
        _ store: Store, _ options: SyncOptions, environment: [String: String], reporter: SyncReporter
    ) throws {
        self.store = store
        self.options = options
        self.reporter = reporter
        policy = try Policy(
            metadataOnly: options.metadataOnly, filter: options.filter, permanentFilter: store.configuration.filter)
        policy.distrustsETags = options.distrustETags || store.configuration.distrustETagsSince != nil
        var loopOptions = TransferLoop.Options()
        loopOptions.bandwidthLimit = options.limitRate
        client = try S3Client(
            store, environment: environment, requesterPays: options.requesterPays, loopOptions: loopOptions)
        source = try InventorySource(store, client)
    }

    /// The names of all inventories that there are, oldest first.
    public func dates() throws -> [String] {
        try source.names()
    }

    /// Syncs what was selected, oldest first.
    ///
    /// - Parameter done: told of each inventory when it is committed.
    public func run(_ done: (SyncOutcome) throws -> Void) throws {
        raiseLimitOfOpenFiles()
        let lock = try StoreLock(store, command: "icecore sync")
        defer { withExtendedLifetime(lock) {} }
        try store.removeLeftovers()
        _ = try IndexDatabase(path: store.indexPath)
        if let limit = options.keepInventories, limit != store.configuration.keepInventories, !options.dryRun {
            var configuration = store.configuration
            configuration.keepInventories = limit
            try configuration.write(to: store.configurationPath)
            store = try Store(path: store.path)
        }
        if options.distrustETags, store.configuration.distrustETagsSince == nil, !options.dryRun {
            var configuration = store.configuration
            configuration.distrustETags()
            // Before anything is fetched: a program that knows nothing of it must not come in between.
            try configuration.write(to: store.configurationPath)
            store = try Store(path: store.path)
        }
        for name in try selected() {
            let start = ContinuousClock.now
            var outcome = try sync(name)
            outcome.milliseconds = start.milliseconds
            try done(outcome)
        }
    }

    // MARK: - Which

    private func selected() throws -> [String] {
        let names = try source.names()
        guard let newest = names.last else {
            throw IcecoreError(
                .notFound,
                "there is no inventory at \(store.configuration.inventory ?? ""): no folder there has a name "
                    + "like 2024-11-06T01-00Z and a manifest.json")
        }
        switch options.selection {
        case .newest:
            return [newest]
        case .one(let text):
            let chosen = try names.filter(SyncRun.range(text))
            if let last = chosen.last { return [last] }
            throw SyncRun.none(text, names)
        case .range(let from, let to):
            let (first, last) = (try SyncRun.range(from), try SyncRun.range(to))
            let chosen = names.filter { name in
                (first(name) || name > from) && (last(name) || name < to)
            }
            if chosen.isEmpty { throw SyncRun.none("\(from) to \(to)", names) }
            // What a prune has dropped does not come back with the next sync of the same range.
            let pruned = Set(try store.reader().timeline.points.filter(\.isPruned).map(\.name))
            return chosen.filter { !pruned.contains($0) }
        }
    }

    private static func none(_ what: String, _ names: [String]) -> IcecoreError {
        IcecoreError(
            .notFound,
            "there is no inventory of \(what): the first is \(names.first ?? ""), the last "
                + "\(names.last ?? "") ('icecore sync --list-dates' lists all)")
    }

    /// Which names a name or a date on the command line stands for.
    private static func range(_ text: String) throws -> (String) -> Bool {
        if InventoryName.isValid(text) { return { $0 == text } }
        if text.utf8.count == 10, Timestamp(rfc3339: text + "T00:00:00Z") != nil { return { $0.hasPrefix(text + "T") } }
        throw IcecoreError(
            .usage, "'\(text.prefix(100))' is neither an inventory's name (2024-11-06T01-00Z) nor a date (2024-11-06)")
    }

    // MARK: - One inventory

    private func sync(_ name: String) throws -> SyncOutcome {
        let found = try source.manifest(name)
        guard found.manifest.sourceBucket == store.configuration.bucket else {
            throw IcecoreError(
                .invalidData,
                "the inventory \(name) is of the bucket '\(found.manifest.sourceBucket)', but the store keeps "
                    + "'\(store.configuration.bucket)': nothing was changed")
        }
        let reader = try store.reader()
        if let known = reader.timeline.points.first(where: { $0.name == name }) {
            if known.isPruned {
                throw IcecoreError(
                    .notFound,
                    "the inventory \(name) was synced, and dropped by 'icecore prune': it is not synced again")
            }
            return try complete(known, manifestMD5: MD5.digest(found.json), reader)
        }
        let inventory = try source.fetch(name, found) { done, count in
            reporter.progress(.fetchingLists(done: done, of: count))
        }
        let point = Timeline.Point(
            id: (reader.timeline.points.map(\.id).max() ?? 0) + 1, name: name, takenAt: found.manifest.created)
        let planner = SyncPlan(store, policy, reader, point, reporter)
        var outcome = SyncOutcome(name: name)
        if options.metadataOnly, !options.dryRun {
            // Nothing will be downloaded, so that the changes need not wait: they are applied as they are found.
            let merged = try planner.merge(inventory) { try IndexWriter(self.store) }
            outcome.take(merged.summary)
            try warn(merged.summary, before: point, reader)
            reader.end()
            try keep(inventory, found)
            return try commit(merged.changes, inventory, point, outcome)
        }
        let plan = try planner.merge(inventory) {
            try ChangeSpool(directory: self.store.temporaryPath)
        }
        outcome.take(plan.summary)
        try warn(plan.summary, before: point, reader)
        reader.end()
        if options.dryRun {
            outcome.wantedBytes = try plan.wants.bytesToFetch(store)
            return outcome
        }
        let bytes = try bytesToFetch(plan.wants, outcome)
        try keep(inventory, found)
        try download(plan.wants, bytes, &outcome)
        let writer = try IndexWriter(store)
        try plan.changes.replay(into: writer)
        return try commit(writer, inventory, point, outcome)
    }

    /// Keeps an inventory that has been read to its end without a fault.
    private func keep(
        _ inventory: FetchedInventory, _ found: (manifest: Manifest, json: [UInt8], checksum: [UInt8])
    ) throws {
        try InventoryKeeper(store: store).keep(inventory, json: found.json, checksum: found.checksum, policy)
    }

    /// An inventory that was synced before: what is missing of it is asked for again.
    private func complete(
        _ point: Timeline.Point, manifestMD5: [UInt8], _ reader: IndexReader
    ) throws -> SyncOutcome {
        guard var record = try reader.snapshots().first(where: { $0.record.id == point.id })?.record else {
            throw IcecoreError(.damaged, "the index has lost the snapshot \(point.name)")
        }
        guard record.manifestMD5 == manifestMD5 else {
            throw IcecoreError(
                .invalidData,
                "the inventory \(point.name) is not the one that was synced under this name: its manifest "
                    + "has changed since. Nothing was changed")
        }
        var outcome = SyncOutcome(name: point.name)
        outcome.wasKnown = true
        outcome.rows = Int(record.rowCount)
        outcome.keys = record.keys
        outcome.bytes = record.bytes
        guard !policy.metadataOnly else { return outcome }

        let wants = try WantQueue(directory: store.temporaryPath)
        let spool = try ChangeSpool(directory: store.temporaryPath)
        let refetch = Refetch(reader, policy, point)
        let (count, bytes) = try refetch.run(wants: wants, sink: spool)
        outcome.wanted = count
        outcome.wantedBytes = bytes
        reader.end()
        if options.dryRun {
            outcome.wantedBytes = try wants.bytesToFetch(store)
            return outcome
        }
        let isWider = record.widen(by: policy)
        if count == 0, !isWider { return outcome }
        try download(wants, try bytesToFetch(wants, outcome), &outcome)
        let writer = try IndexWriter(store)
        try spool.replay(into: writer)
        outcome.missing = try writer.commit(record).missing
        if isWider, Files.exists("\(store.inventoriesPath)/\(point.name)/manifest.json") {
            try KeptInventory.write(
                metadataOnly: record.metadataOnly, filter: record.filter, permanentFilter: record.permanentFilter,
                point.name, store)
        }
        return outcome
    }

    /// The bytes that will be fetched, if there is room for them.
    private func bytesToFetch(_ wants: WantQueue, _ outcome: SyncOutcome) throws -> Int64 {
        var bytes = outcome.wantedBytes
        guard outcome.wanted > 0 else { return bytes }
        let free = try Files.freeBytes(store.path)
        // Looking for each content takes a while where there are many, so only where it matters.
        if bytes > free { bytes = try wants.bytesToFetch(store) }
        if bytes > free {
            throw IcecoreError(
                .noSpace,
                "\(bytes) bytes are to be fetched, but '\(store.path)' has only \(free) bytes free: make room, "
                    + "or limit what is fetched with --filter or --metadata-only. Nothing was changed")
        }
        return bytes
    }

    private func download(_ wants: WantQueue, _ bytes: Int64, _ outcome: inout SyncOutcome) throws {
        let asked = outcome.wanted
        guard asked > 0 else { return }
        try client.resolveCredentials()
        let reporter = self.reporter
        let downloader = try Downloader(store, client, wants: wants, jobs: options.jobs, chunks: options.chunks) {
            summary in
            var progress = DownloadProgress()
            progress.objects = summary.fetched + summary.shared + summary.gone + summary.failed
            progress.ofObjects = asked
            progress.bytes = min(
                bytes, summary.bytes.addingClamped(summary.sharedBytes).addingClamped(summary.unfinishedBytes))
            progress.ofBytes = bytes
            progress.received = summary.transfers.bytes
            progress.inFlight = summary.transfers.inFlight
            progress.retries = summary.transfers.retries
            progress.gone = summary.gone
            progress.failed = summary.failed
            reporter.progress(.downloading(progress))
        }
        let start = ContinuousClock.now
        let summary = try downloader.run()
        outcome.downloadMilliseconds = start.milliseconds
        outcome.requests = summary.transfers.requests
        outcome.retries = summary.transfers.retries
        outcome.receivedBytes = summary.transfers.bytes
        outcome.fetched = summary.fetched
        outcome.fetchedBytes = summary.bytes
        outcome.gone = summary.gone
        outcome.failed = summary.failed
        outcome.examples = summary.examples
    }

    private func commit(
        _ writer: IndexWriter, _ inventory: FetchedInventory, _ point: Timeline.Point, _ outcome: SyncOutcome
    ) throws -> SyncOutcome {
        reporter.progress(.committing)
        var outcome = outcome
        var record = SnapshotRecord(
            id: point.id, name: point.name, takenAt: point.takenAt, syncedAt: .now(), manifestMD5: inventory.md5,
            policy: policy, rowCount: Int64(outcome.rows - outcome.duplicates), keys: outcome.keys, bytes: outcome.bytes
        )
        record.newVersions = Int64(outcome.newVersions)
        record.newBytes = outcome.newBytes
        outcome.missing = try writer.commit(record).missing
        try InventoryKeeper(store: store).trim()
        return outcome
    }

    private func warn(_ summary: IndexMerge.Summary, before point: Timeline.Point, _ reader: IndexReader) throws {
        if summary.duplicates > 0 {
            reporter.warning(
                "\(summary.duplicates) rows of the inventory \(point.name) stand in it twice; once counted")
        }
        let earlier = try reader.snapshots().last {
            ($0.record.takenAt, $0.record.name) < (point.takenAt, point.name)
        }
        if let earlier, earlier.record.keys > 0, Int64(summary.goneKeys) * 2 > earlier.record.keys {
            reporter.warning(
                "\(summary.goneKeys) of the \(earlier.record.keys) keys in \(earlier.record.name) are not in \(point.name): "
                    + "is this inventory whole?")
        }
    }
}

extension SnapshotRecord {
    /// Remembers that a policy asked for more of the snapshot. False: it asked for nothing that was not asked for before.
    fileprivate mutating func widen(by policy: Policy) -> Bool {
        let before = (metadataOnly, filter, permanentFilter)
        if metadataOnly {
            (metadataOnly, filter, permanentFilter) = (false, policy.filter, policy.permanentFilter)
        } else {
            filter = SnapshotRecord.either(filter, policy.filter)
            permanentFilter = SnapshotRecord.either(permanentFilter, policy.permanentFilter)
        }
        return before != (metadataOnly, filter, permanentFilter)
    }

    /// A filter that lets through what one of two does; nil lets everything through.
    private static func either(_ old: String?, _ new: String?) -> String? {
        guard let old, let new else { return nil }
        return old == new || old.hasSuffix("|(?:\(new))") ? old : "(?:\(old))|(?:\(new))"
    }
}

extension ContinuousClock.Instant {
    /// How long ago it was.
    fileprivate var milliseconds: Int64 {
        Int64((ContinuousClock.now - self) / .milliseconds(1))
    }
}

extension SyncOutcome {
    mutating func take(_ summary: IndexMerge.Summary) {
        rows = summary.rows
        duplicates = summary.duplicates
        keys = Int64(summary.keys)
        bytes = summary.bytes
        newVersions = summary.newVersions
        newBytes = summary.newBytes
        goneVersions = summary.goneVersions
        wanted = summary.wants
        wantedBytes = summary.wantedBytes
    }
}
