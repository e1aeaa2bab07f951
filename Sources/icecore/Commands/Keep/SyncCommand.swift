import ArgumentParser
import Basics
import Download
import Index
import Listing
import Model
import Packing
import Replica
import Store
import Sync

struct SyncCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Bring the store up to date with an inventory.",
        discussion: """
            Syncs the newest inventory unless told otherwise. Everything is fetched before any of it becomes visible. \
            An interrupted sync loses no finished download: run the same command again to resume.

            With --list, and always in a store without an inventory, it lists the bucket as it is now: one request for \
            each thousand versions. What was listed is kept like an inventory. A listing that was interrupted goes on \
            within a day.
            """)

    @Option(
        help: ArgumentHelp("Sync this inventory: a name, or a date (its last one).", valueName: "name-or-date"))
    var date: String?

    @Option(help: ArgumentHelp("Sync every inventory from this date on; goes with --to.", valueName: "date"))
    var from: String?

    @Option(help: ArgumentHelp("Sync every inventory up to this date; goes with --from.", valueName: "date"))
    var to: String?

    @Flag(help: "List the bucket itself, as it is now, in place of an inventory.")
    var list = false

    @Flag(name: .customLong("list-dates"), help: "Only list the available inventories, oldest first.")
    var listDates = false

    @Option(help: ArgumentHelp("Download only keys that match this regular expression.", valueName: "regex"))
    var filter: String?

    @Option(help: ArgumentHelp("Maximum number of requests in flight.", valueName: "n"))
    var jobs = 64

    @Option(
        name: .customLong("chunk-threshold"),
        help: ArgumentHelp("Download objects of at least this size in chunks.", valueName: "size"),
        transform: { try ByteSize.parse($0, SyncCommand.chunkBounds) })
    var chunkThreshold = ChunkLimits().threshold

    @Option(
        name: .customLong("chunk-size"),
        help: ArgumentHelp(
            "The size of a chunk; larger for objects that would need more than 10,000.", valueName: "size"),
        transform: { try ByteSize.parse($0, SyncCommand.chunkBounds) })
    var chunkSize = ChunkLimits().size

    /// A chunk is a request: smaller ones cost more than they gain, and S3 has no larger parts.
    private static let chunkBounds: ClosedRange<Int64> = (1 << 20)...(5 << 30)

    @Option(
        name: .customLong("keep-inventories"),
        help: ArgumentHelp(
            "From now on keep the newest n inventories, or all (the default): 'icecore reindex' needs them.",
            valueName: "n"))
    var keepInventories: InventoryLimit?

    @OptionGroup var rate: LimitRateOption

    @Option(name: .customLong("request-payer"), defaultAsFlag: .requester, help: RequestPayer.help)
    var requestPayer: RequestPayer?

    @Flag(
        name: .customLong("distrust-etags"),
        help: """
            From now on fetch every version separately and store it under its SHA-256: for buckets that strangers can \
            write to.
            """)
    var distrustETags = false

    @Option(help: HeaderPolicy.help(default: "as the store was created, or all"))
    var headers: HeaderPolicy?

    @Option(help: ETagOption.laterHelp)
    var etags: StoreConfiguration.ETagMeaning?

    @Option(
        help: ArgumentHelp(
            "What to do about archived objects: skip them, or fetch those that have been restored.",
            valueName: "skip|fetch"))
    var archived = ArchivedObjects.skip

    @Flag(
        name: .customLong("accept-gone"),
        help: "Go on even if most objects are gone or refused; otherwise such a sync stops and records nothing.")
    var acceptGone = false

    @Flag(help: "Refuse an inventory that lacks most keys of the one before; otherwise only warn.")
    var strict = false

    @Flag(name: .customLong("metadata-only"), help: "Download nothing; only fill the index.")
    var metadataOnly = false

    @Flag(name: .customLong("dry-run"), help: "Only show what would be done.")
    var dryRun = false

    @Option(
        help: ArgumentHelp(
            "How many seconds a machine that works on the sync of a store in an object store may be silent.",
            visibility: .hidden))
    var lease = ObjectStoreSync.usualLease

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func validate() throws {
        if date != nil, from != nil || to != nil { throw ValidationError("give --date, or --from and --to") }
        if list, date != nil || from != nil || to != nil || listDates {
            throw ValidationError("--list takes the bucket as it is now: no --date, --from, --to or --list-dates")
        }
        if (from == nil) != (to == nil) { throw ValidationError("--from and --to go together") }
        guard (1...10_000).contains(jobs) else { throw ValidationError("--jobs must be from 1 to 10000") }
    }

    func run() throws {
        var syncOptions = SyncOptions()
        if let date { syncOptions.selection = .one(date) }
        if let from, let to { syncOptions.selection = .range(from: from, to: to) }
        syncOptions.lists = list
        syncOptions.filter = filter
        syncOptions.metadataOnly = metadataOnly
        syncOptions.distrustETags = distrustETags
        syncOptions.fetchArchived = archived == .fetch
        syncOptions.acceptGone = acceptGone
        syncOptions.strict = strict
        syncOptions.etags = etags
        syncOptions.headers = headers
        syncOptions.dryRun = dryRun
        syncOptions.jobs = jobs
        syncOptions.keepInventories = keepInventories
        syncOptions.chunks.threshold = chunkThreshold
        syncOptions.chunks.size = chunkSize
        syncOptions.limitRate = rate.limitRate
        syncOptions.requesterPays = requestPayer != nil
        let store = try options.openForSorting()
        let reporter = TerminalSyncReporter()
        let elsewhere = try store.configuration.objectStore.map { _ in
            try ObjectStoreSync(
                store, jobs: jobs, limitRate: rate.limitRate, acceptsLosses: acceptGone, lease: lease,
                environment: Console.environment
            ) { reporter.note($0) }
        }
        let run = try SyncRun(
            store, syncOptions, environment: Console.environment, reporter: reporter, elsewhere: elsewhere)
        if listDates { return try printNames(try run.dates()) }

        let output = Output()
        var missing = 0
        var headers = 0
        let passedOver = try interruptible(
            reporter.line, "Nothing is lost: run the same command again to resume."
        ) {
            try run.run { outcome in
                reporter.line.clear()
                missing += dryRun ? 0 : outcome.failed
                headers += outcome.refusedHeaders + outcome.failedHeaders
                try report(outcome, output)
                try output.flush()
                if let remark = try filterRemark(outcome, store) { Console.note(remark) }
            }
        }
        if !dryRun, let notes = LooseNotes(store), !notes.isEmpty { try moveNoted(notes, store) }
        if !dryRun, !format.json, let advice = try? PackingAdvice.forStoreWithoutPacks(store) {
            Console.note("hint: \(advice.sentence)")
        }
        if passedOver > 0 {
            let objects = missing > 0 ? "; \(missing.of("object")) could not be fetched" : ""
            throw IcecoreError(.incomplete, "\(passedOver.of("inventory")) could not be used\(objects)")
        }
        if missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(missing.of("object")) could not be fetched; the next sync tries again ('icecore status --failures' lists "
                    + "\(missing.verb("it", "them")))")
        }
        if headers > 0 {
            throw IcecoreError(
                .incomplete,
                "the headers or tags of \(headers) versions could not be had; the next sync asks again ('--headers none' asks "
                    + "for none)")
        }
    }

    /// Moves into packs what came one by one since the last sync, as it was read in a mount.
    private func moveNoted(_ notes: LooseNotes, _ store: Store) throws {
        guard let limit = store.configuration.packBelow else { return }
        do {
            let packing = try Packing(store, below: limit, isDryRun: false) { _ in }
            // What is damaged stays where it is, for 'verify' to find.
            _ = try packing.runNoted(notes)
        } catch let error as IcecoreError where error.code == .busy || error.code == .noSpace {
            // The next sync does it.
        }
    }

    private func printNames(_ names: [String]) throws {
        let output = Output()
        for name in names {
            if format.json { try output.record(InventoryRecord(name: name)) } else { try output.line(name) }
        }
        try output.flush()
    }

    /// What a sync fetched, how fast, and with how much trouble.
    private func fetched(_ outcome: SyncOutcome) -> String {
        var text = "\(outcome.fetched.of("blob")), \(outcome.fetchedBytes.byteCount)"
        let seconds = Double(outcome.downloadMilliseconds) / 1000
        // Anything shorter says little about the rate.
        if outcome.fetched > 0, seconds >= 1 {
            let bytes = Int64(Double(outcome.fetchedBytes) / seconds).byteCount
            let objects = Int((Double(outcome.fetched) / seconds).rounded())
            text += " in \(Int(seconds.rounded()).duration) (\(bytes)/s, \(objects) objects/s)"
        }
        if outcome.retries > 0 { text += ", \(outcome.retries) of \(outcome.requests) requests retried" }
        return text
    }

    /// What it took to list the bucket.
    private func listed(_ listing: ListingProgress) -> String {
        let unit = listing.call == .versions ? "version" : "object"
        let rows = listing.rows.of(unit)
        var text = "  listed \(rows) in \(listing.requests.of("request")), \(listing.bytes.byteCount)"
        let seconds = Double(listing.milliseconds) / 1000
        if seconds >= 1 {
            let rate = Int((Double(listing.rows) / seconds).rounded())
            text += ", in \(Int(seconds.rounded()).duration) (\(rate.of(unit))/s)"
        }
        if listing.retries > 0 { text += ", \(listing.retries) of them again" }
        if listing.earlierRows > 0 { text += "; \(listing.earlierRows) more had been listed before an interruption" }
        if dryRun { text += "; 'icecore sync --list' goes on with that within a day" }
        return text
    }

    /// What a dry run says of the disk.
    private func disk(_ outcome: SyncOutcome) -> String {
        guard let need = outcome.need, let room = outcome.room, need.files > 0 else { return "" }
        var text = " into \(need.files.of("file"))"
        if need.diskBytes != need.bytes { text += ", which take \(need.diskBytes.byteCount)" }
        text += "; \(room.free.bytes.byteCount)"
        if let files = room.free.files { text += " and \(files.of("inode"))" }
        text += " are free"
        if let shortage = room.shortage(need, of: "the sync") { Console.note("warning: \(shortage)") }
        return text
    }

    /// What to say of a filter that leaves out everything; nil if it does not.
    private func filterRemark(_ outcome: SyncOutcome, _ store: Store) throws -> String? {
        guard let filter, !dryRun, !metadataOnly, outcome.wanted == 0, outcome.keys > 0 else { return nil }
        let policy = try DownloadPolicy(metadataOnly: false, filter: filter, permanentFilter: nil)
        let reader = try store.reader()
        var matches = false
        try reader.list(prefix: [], recursive: true, reader.view(When(outcome.name))) { item in
            if case .key(let key, _) = item { matches = policy.asks(key) }
            return !matches
        }
        if matches { return nil }
        return "nothing matches: the filter '\(Display.line(filter))' is found in no key of \(outcome.name)"
            + (filter.hasPrefix("/") || filter.hasPrefix("^/") ? "; in S3, keys begin without '/'" : "")
    }

    private func report(_ outcome: SyncOutcome, _ output: Output) throws {
        if format.json { return try output.record(SyncReport(outcome, dryRun: dryRun)) }
        if let listing = outcome.listing { try output.line(listed(listing)) }
        for example in outcome.examples { Console.note("  \(Display.line(example))") }
        if outcome.gone + outcome.failed > outcome.examples.count, !outcome.examples.isEmpty {
            Console.note("  … ('icecore status --failures' lists them all)")
        }
        if dryRun {
            try output.line(
                "\(outcome.name): \(outcome.newVersions.of("version")) \(outcome.newVersions.verb("is", "are")) new, \(outcome.goneVersions) \(outcome.goneVersions.verb("is", "are")) gone; "
                    + "\(outcome.wantedBytes.of("byte")) (\(outcome.wantedBytes.byteCount)) would be fetched"
                    + disk(outcome)
            )
            return try reportLeftOut(outcome, output)
        }
        var line = "\(outcome.name): \(outcome.keys.of("key")), \(outcome.bytes.byteCount)"
        if outcome.wasKnown {
            line += "; synced before"
        } else {
            line +=
                "; \(outcome.newVersions.of("version")) \(outcome.newVersions.verb("is", "are")) new, \(outcome.goneVersions) \(outcome.goneVersions.verb("is", "are")) gone"
        }
        if !metadataOnly { line += "; fetched \(fetched(outcome))" }
        if outcome.gone > 0 { line += "; \(outcome.gone.of("object")) \(outcome.gone.verb("is", "are")) gone for good" }
        if outcome.failed > 0 { line += "; \(outcome.failed) could not be fetched" }
        try output.line(line)
        try reportLeftOut(outcome, output)
        guard outcome.askedHeaders > 0 else { return }
        var headers = "  asked for the headers of \(outcome.askedHeaders) versions"
        let unknown = outcome.refusedHeaders + outcome.failedHeaders
        if unknown > 0 { headers += "; not to be had: \(unknown)" }
        try output.line(headers)
        if let example = outcome.headerExample { Console.note("  \(Display.line(example))") }
    }

    /// What a person should know, but need not act on.
    private func reportLeftOut(_ outcome: SyncOutcome, _ output: Output) throws {
        if outcome.archived.versions > 0 {
            let hint =
                archived == .fetch ? "none of these has been restored" : "'--archived fetch' asks for restored ones"
            try output.line("  archived and not fetched: \(outcome.archived.text) (\(hint))")
        }
        if outcome.encrypted.versions > 0 {
            try output.line("  encrypted with keys of their owner (SSE-C): \(outcome.encrypted.text)")
        }
    }
}

/// What a sync does about objects in storage classes that need a restore.
enum ArchivedObjects: String, ExpressibleByArgument, CaseIterable {
    case skip, fetch
}

private struct InventoryRecord: Encodable {
    let name: String
}
