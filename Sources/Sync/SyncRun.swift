import Basics
import Download
import Index
import Inventory
import Merge
import Model
import S3
import Store

/// Brings a store up to date with one or more inventories: read, plan, download, commit.
public final class SyncRun {
    /// With the settings that are to be: see ``settle()``.
    private(set) var store: Store
    /// The settings that are written down.
    private var settled: StoreConfiguration
    let options: SyncOptions
    let reporter: SyncReporter
    private var policy: DownloadPolicy
    let client: S3Client
    /// Nil: contents go to the store's own disk.
    private let elsewhere: (any ContentFetching)?

    /// - Parameters:
    ///   - environment: that of the process; it holds credentials, endpoint and region.
    ///   - elsewhere: what fetches contents if the store has them in an object store.
    public init(
        _ store: Store, _ options: SyncOptions, environment: [String: String], reporter: SyncReporter,
        elsewhere: (any ContentFetching)? = nil
    ) throws {
        self.elsewhere = elsewhere
        self.store = store
        settled = store.configuration
        self.options = options
        self.reporter = reporter
        policy = try DownloadPolicy(
            metadataOnly: options.metadataOnly, filter: options.filter, permanentFilter: store.configuration.filter)
        policy.distrustsETags = options.distrustETags || store.configuration.distrustETagsSince != nil
        policy.fetchesArchived = options.fetchArchived
        policy.headers = options.headers ?? store.configuration.headers ?? .all
        var loopOptions = TransferLoop.Options()
        loopOptions.bandwidthLimit = options.limitRate
        client = try S3Client(
            store, environment: environment, requesterPays: options.requesterPays, loopOptions: loopOptions)
        if !isListing { _ = try source() }
    }

    /// The names of all available inventories, oldest first.
    public func dates() throws -> [String] {
        try source().names()
    }

    /// Where the inventories are that can be chosen from: listings only in the store itself.
    private func source() throws -> InventorySource {
        let kept = InventorySource(directory: store.inventoriesPath, store, client)
        if case .one(let name) = options.selection, InventoryName.isListing(name) { return kept }
        if store.configuration.inventory == nil, store.configuration.lists ?? false { return kept }
        return try InventorySource(store, client)
    }

    /// Syncs the selected inventories, oldest first.
    ///
    /// - Parameter done: called for each inventory once it is committed.
    /// - Returns: how many inventories of a range could not be used and were passed over.
    public func run(_ done: (SyncOutcome) throws -> Void) throws -> Int {
        raiseLimitOfOpenFiles()
        let lock = try StoreLock(store, command: "icecore sync")
        defer { withExtendedLifetime(lock) {} }
        // Where an index was lost, a new one would know nothing of the past.
        try IndexReader.refuseLoss(store.indexPath)
        try store.removeLeftovers()
        if options.dryRun {
            _ = try IndexDatabase(path: store.indexPath, keepsFormat: true)
        } else {
            try store.bringToCurrentFormat()
            if store.configuration.packBelow != nil { try PackKeeper.prepare(&store) }
            try FactKeeper(store).fill()
            try elsewhere?.prepare(store)
        }
        settled = store.configuration
        var configuration = store.configuration
        if options.distrustETags { configuration.distrustETags() }
        if let meaning = options.etags, configuration.etags != meaning { configuration.take(etags: meaning) }
        store = store.with(configuration)
        defer { if !options.dryRun { DiskReserve(store).fill() } }
        if isListing {
            try syncListing(done)
            return 0
        }
        let source = try source()
        let selection = try InventorySelection(
            options.selection, folders: source.folders(),
            at: store.configuration.inventory ?? store.inventoriesPath, store)
        return try selection.forEach(
            { name in
                let start = ContinuousClock.now
                var outcome = try sync(name, source)
                outcome.milliseconds = start.milliseconds
                try done(outcome)
            }, warn: reporter.warning)
    }

    /// Lists the bucket, and syncs what was listed like any other inventory.
    private func syncListing(_ done: (SyncOutcome) throws -> Void) throws {
        let start = ContinuousClock.now
        var (name, listing) = try list()
        listing?.milliseconds = start.milliseconds
        let source = InventorySource(directory: UnfinishedListing.directory(store), store, client)
        var outcome = try sync(name, source)
        outcome.listing = listing
        outcome.milliseconds = start.milliseconds
        // A listing that was only tried out is what the next sync goes on with.
        if !options.dryRun { try UnfinishedListing.removeAll(store) }
        try done(outcome)
    }

    // MARK: - Settings

    /// Writes down what a sync was told to do from now on. Not before it is clear that it goes on, since a sync that is
    /// refused changes nothing; and before the first blob or row that depends on it, since a program that does not know
    /// the setting must not run in between.
    private func settle() throws {
        guard !options.dryRun, store.configuration != settled else { return }
        try store.configuration.write(to: store.configurationPath)
        settled = store.configuration
    }

    /// The same, with how many inventories are kept: nothing depends on that before some of them are removed.
    private func settleAtEnd() throws {
        if let limit = options.keepInventories {
            var configuration = store.configuration
            configuration.keepInventories = limit.count
            store = store.with(configuration)
        }
        try settle()
    }

    // MARK: - One inventory

    private func sync(_ name: String, _ source: InventorySource) throws -> SyncOutcome {
        let found = try UnusableInventory.recognizing(name) { try source.manifest(name) }
        try source.check(found, name)
        let reader = try store.reader()
        let etags = UnknownETags(store: store, options: options)
        // Files in a columnar format say themselves which columns they have.
        let isKnownEarly = !found.manifest.format.isColumnar
        if isKnownEarly {
            store = try UnusableInventory.recognizing(name) {
                try etags.admit(found.manifest, name, reader.timeline.points)
            }
        }
        if let known = reader.timeline.points.first(where: { $0.name == name }) {
            if known.isPruned {
                throw IcecoreError(
                    .notFound,
                    "the inventory \(name) was synced and then pruned: it is not synced again")
            }
            let outcome = try complete(known, manifestMD5: found.md5, reader)
            if !options.dryRun { try elsewhere?.publish() }
            return outcome
        }
        let (inventory, stamps) = try UnusableInventory.recognizing(name) {
            var inventory = try source.fetch(name, found) { reporter.progress(.fetchingLists(done: $0, of: $1)) }
            let stamps = try inventory.stamps()
            inventory.manifest = try inventory.manifest.believing(listFiles: inventory.paths)
            if !isKnownEarly { store = try etags.admit(inventory.manifest, name, reader.timeline.points) }
            return (inventory, stamps)
        }
        let point = Timeline.Point(
            id: (reader.timeline.points.map(\.id).max() ?? 0) + 1, name: name, takenAt: found.manifest.created)
        let planner = SyncPlan(store, policy, reader, point, reporter)
        var outcome = SyncOutcome(name: name)
        if options.metadataOnly, !options.dryRun {
            // Nothing will be downloaded, so the changes need not wait: they are applied as they are found.
            let merged = try planner.merge(inventory) { try IndexWriter(self.store) }
            outcome.take(merged.summary)
            try warn(merged.summary, before: point, reader)
            reader.end()
            try settle()
            try keep(inventory, found, stamps)
            return try commit(merged.changes, inventory, point, outcome)
        }
        let plan = try planner.merge(inventory) {
            try ChangeSpool(directory: self.store.temporaryPath)
        }
        outcome.take(plan.summary)
        try warn(plan.summary, before: point, reader)
        reader.end()
        if options.dryRun {
            try outcome.measure(plan.wants, store)
            return outcome
        }
        let bytes = try bytesToFetch(plan.wants, outcome)
        try settle()
        try keep(inventory, found, stamps)
        try download(plan.wants, plan.headerWants, bytes, &outcome)
        let writer = try IndexWriter(store)
        try plan.changes.replay(into: writer)
        return try commit(writer, inventory, point, outcome)
    }

    /// Keeps an inventory that has been read to the end without an error.
    private func keep(_ inventory: FetchedInventory, _ found: FetchedManifest, _ stamps: [FileStamp]) throws {
        try InventoryKeeper(store: store).keep(inventory, found, policy, read: stamps)
    }

    /// Requests again what is missing of an inventory that was synced before.
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
        guard !policy.metadataOnly else {
            try settleAtEnd()
            return outcome
        }

        let wants = try FetchQueue(directory: store.temporaryPath)
        let spool = try ChangeSpool(directory: store.temporaryPath)
        let headerWants = try FetchQueue(directory: store.temporaryPath)
        let refetch = Refetch(reader, policy, point)
        let found = try refetch.run(wants: wants, headerWants: headerWants, sink: spool)
        outcome.wantedHeaders = found.headerWants
        outcome.wanted = Int(found.wanted.versions)
        outcome.wantedBytes = found.wanted.bytes
        outcome.archived = found.archived
        outcome.encrypted = found.encrypted
        reader.end()
        if options.dryRun {
            try outcome.measure(wants, store)
            return outcome
        }
        let isWider = record.widen(by: policy)
        if spool.isEmpty, !isWider {
            try settleAtEnd()
            return outcome
        }
        let bytes = try bytesToFetch(wants, outcome)
        try settle()
        try download(wants, headerWants, bytes, &outcome)
        let writer = try IndexWriter(store)
        try spool.replay(into: writer)
        outcome.missing = try writer.commit(record).missing
        try settleAtEnd()
        if isWider, Files.exists("\(store.inventoriesPath)/\(point.name)/manifest.json") {
            try KeptInventory.write(
                metadataOnly: record.metadataOnly, filter: record.filter, permanentFilter: record.permanentFilter,
                point.name, store)
        }
        return outcome
    }

    /// The bytes that will be fetched.
    ///
    /// - Throws: `noSpace` if there is no room for them.
    private func bytesToFetch(_ wants: FetchQueue, _ outcome: SyncOutcome) throws -> Int64 {
        guard outcome.wanted > 0, elsewhere == nil else { return outcome.wantedBytes }
        var room = try DiskRoom(store.path)
        var need = DiskNeed(atMost: Int64(outcome.wanted), bytes: outcome.wantedBytes, unit: room.free.unit)
        // Looking up each content takes a while if there are many, so it is done only where it matters.
        if !room.holds(need) { need = try wants.need(store, unit: room.free.unit) }
        // What somebody has begun to read, and this sync does not want, can be fetched again.
        if !room.holds(need) {
            room = try wants.makeRoom(store)
        }
        if let shortage = room.shortage(need, of: "the sync") {
            throw IcecoreError(
                .noSpace,
                "\(shortage): make room, or limit what is fetched with --filter or --metadata-only. Nothing was changed"
            )
        }
        return need.bytes
    }

    private func download(
        _ wants: FetchQueue, _ headerWants: FetchQueue, _ bytes: Int64, _ outcome: inout SyncOutcome
    ) throws {
        let asked = outcome.wanted
        guard asked + outcome.wantedHeaders > 0 else { return }
        do {
            try client.resolveCredentials()
        } catch let error as IcecoreError where asked == 0 && error.code != .interrupted {
            return warnOfHeaders(error.message)
        }
        let reporter = self.reporter
        let report = { (summary: DownloadSummary) in
            var progress = DownloadProgress()
            progress.objects = summary.settled
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
        let summary = try fetch(wants, headerWants, name: outcome.name, count: asked, bytes: bytes, report)
        if let refusal = client.unsignedRefusal { reporter.warning(refusal) }
        outcome.downloadMilliseconds = start.milliseconds
        outcome.requests = summary.transfers.requests
        outcome.retries = summary.transfers.retries
        outcome.receivedBytes = summary.transfers.bytes
        outcome.fetched = summary.fetched
        outcome.fetchedBytes = summary.bytes
        outcome.gone = summary.gone
        outcome.failed = summary.failed
        outcome.refused = summary.refused
        outcome.archived.add(summary.archived)
        outcome.encrypted.add(summary.encrypted)
        outcome.examples = summary.examples
        outcome.take(headers: summary)
        if let reason = summary.endOfHeaders { warnOfHeaders(reason) }
    }

    /// Fetches contents to where the store has them.
    private func fetch(
        _ wants: FetchQueue, _ headerWants: FetchQueue, name: String, count: Int, bytes: Int64,
        _ report: @escaping (DownloadSummary) -> Void
    ) throws -> DownloadSummary {
        let keepsHeaders = policy.headers != .none
        guard let elsewhere else {
            return try Downloader(
                store, client, wants: wants, headerWants: headerWants,
                headers: keepsHeaders ? .arrived(directory: store.temporaryPath) : .nowhere, jobs: options.jobs,
                chunks: options.chunks, acceptsLosses: options.acceptGone, progress: report
            ).run()
        }
        return try elsewhere.fetch(
            wants, headers: headerWants,
            ContentFetch(
                store: store, inventory: name, count: count, bytes: bytes, keepsHeaders: keepsHeaders,
                jobs: options.jobs, chunks: options.chunks, acceptsLosses: options.acceptGone,
                requesterPays: options.requesterPays, limitRate: options.limitRate, progress: report))
    }

    private func warnOfHeaders(_ reason: String) {
        reporter.warning(
            "not all headers could be asked for: \(reason). The next sync asks again ('--headers fetched' does not)")
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
        try settleAtEnd()
        try InventoryKeeper(store: store).trim()
        try elsewhere?.publish()
        return outcome
    }

    private func warn(_ summary: IndexMerge.Summary, before point: Timeline.Point, _ reader: IndexReader) throws {
        if summary.duplicates > 0 {
            reporter.warning(
                "\(summary.duplicates.of("row")) \(summary.duplicates.verb("appears", "appear")) twice in the inventory "
                    + "\(point.name); each is counted once")
        }
        let earlier = try reader.snapshots().last {
            ($0.record.takenAt, $0.record.name) < (point.takenAt, point.name)
        }
        if let earlier, earlier.record.keys > 0, Int64(summary.goneKeys) * 2 > earlier.record.keys {
            let text =
                "\(point.name) lists \(summary.keys.of("key")), \(earlier.record.name) had \(earlier.record.keys), and "
                + "\(summary.goneKeys) of those are not in it: is this inventory complete?"
            if options.strict { throw IcecoreError(.invalidData, "\(text) It was not synced (--strict)") }
            reporter.warning(text)
        }
    }
}

extension SnapshotRecord {
    /// Records that a policy requests more of the snapshot.
    ///
    /// - Returns: false if everything had been requested before.
    fileprivate mutating func widen(by policy: DownloadPolicy) -> Bool {
        let before = (metadataOnly, filter, permanentFilter)
        if metadataOnly {
            (metadataOnly, filter, permanentFilter) = (false, policy.filter, policy.permanentFilter)
        } else {
            filter = SnapshotRecord.either(filter, policy.filter)
            permanentFilter = SnapshotRecord.either(permanentFilter, policy.permanentFilter)
        }
        return before != (metadataOnly, filter, permanentFilter)
    }

    /// A filter that matches what either of two does; nil matches everything.
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
