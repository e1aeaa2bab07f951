import ArgumentParser
import Basics
import Download
import Sync

struct SyncCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Bring the store up to an inventory.",
        discussion: """
            Takes the newest inventory unless told otherwise. Everything is fetched before any of it becomes visible; \
            an interrupted sync loses no finished download, and the same command goes on.
            """)

    @Option(
        help: ArgumentHelp("This inventory: its name, or a date (the last one of that day).", valueName: "name-or-date")
    )
    var date: String?

    @Option(help: ArgumentHelp("Every inventory from this date on.", valueName: "date"))
    var from: String?

    @Option(help: ArgumentHelp("Every inventory up to this date.", valueName: "date"))
    var to: String?

    @Flag(name: .customLong("list-dates"), help: "Only list the inventories that there are, oldest first.")
    var listDates = false

    @Option(help: ArgumentHelp("Download only keys in which this regular expression matches.", valueName: "regex"))
    var filter: String?

    @Option(help: ArgumentHelp("The most requests in flight.", valueName: "n"))
    var jobs = 64

    @Option(
        name: .customLong("chunk-threshold"),
        help: ArgumentHelp("Objects from this size on are downloaded in chunks.", valueName: "size"),
        transform: { try ByteSize.parse($0, SyncCommand.chunkBounds) })
    var chunkThreshold = ChunkLimits().threshold

    @Option(
        name: .customLong("chunk-size"),
        help: ArgumentHelp(
            "The size of a chunk; larger for objects that would have more than 10,000.", valueName: "size"),
        transform: { try ByteSize.parse($0, SyncCommand.chunkBounds) })
    var chunkSize = ChunkLimits().size

    /// A chunk is a request: smaller ones cost more than they bring, larger ones S3 does not have as parts.
    private static let chunkBounds: ClosedRange<Int64> = (1 << 20)...(5 << 30)

    @Option(
        name: .customLong("keep-inventories"),
        help: ArgumentHelp(
            "Keep the newest n inventories in the store, or all (the default), from now on: 'icecore reindex' needs them.",
            valueName: "n"))
    var keepInventories: KeptCount?

    @Option(
        name: .customLong("limit-rate"),
        help: ArgumentHelp("The most bytes a second: 500K, 10M, 1.5G (units of 1024).", valueName: "rate"),
        transform: { try ByteSize.parse($0, SyncCommand.rateBounds) })
    var limitRate: Int64?

    /// Below, a single answer would look like one that never comes.
    private static let rateBounds: ClosedRange<Int64> = (1 << 10)...(1 << 50)

    @Option(name: .customLong("request-payer"), defaultAsFlag: .requester, help: RequestPayer.help)
    var requestPayer: RequestPayer?

    @Flag(
        name: .customLong("distrust-etags"),
        help: ArgumentHelp(
            "From now on fetch every version on its own and file it under its SHA-256: for buckets that strangers write to."
        ))
    var distrustETags = false

    @Flag(name: .customLong("metadata-only"), help: "Download nothing: fill the index alone.")
    var metadataOnly = false

    @Flag(name: .customLong("dry-run"), help: "Only say what would be done.")
    var dryRun = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func validate() throws {
        if date != nil, from != nil || to != nil { throw ValidationError("give --date, or --from and --to") }
        if (from == nil) != (to == nil) { throw ValidationError("--from and --to go together") }
        guard (1...10_000).contains(jobs) else { throw ValidationError("--jobs must be from 1 to 10000") }
    }

    func run() throws {
        var syncOptions = SyncOptions()
        if let date { syncOptions.selection = .one(date) }
        if let from, let to { syncOptions.selection = .range(from: from, to: to) }
        syncOptions.filter = filter
        syncOptions.metadataOnly = metadataOnly
        syncOptions.distrustETags = distrustETags
        syncOptions.dryRun = dryRun
        syncOptions.jobs = jobs
        if let keepInventories { syncOptions.keepInventories = .some(keepInventories.limit) }
        syncOptions.chunks.threshold = chunkThreshold
        syncOptions.chunks.size = chunkSize
        syncOptions.limitRate = limitRate
        syncOptions.requesterPays = requestPayer != nil
        let store = try options.openForSorting()
        let reporter = TerminalReporter()
        let run = try SyncRun(store, syncOptions, environment: Console.environment, reporter: reporter)
        if listDates { return try list(try run.dates()) }

        let output = Output()
        var missing = 0
        do {
            try run.run { outcome in
                reporter.clear()
                missing += dryRun ? 0 : outcome.failed
                try report(outcome, output)
                try output.flush()
            }
        } catch let error as IcecoreError where error.code == .interrupted {
            reporter.clear()
            throw IcecoreError(
                .interrupted, "Nothing is lost: the same command goes on where this one stopped.")
        } catch {
            reporter.clear()
            throw error
        }
        if missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(missing) objects could not be had; they are tried again at the next sync "
                    + "('icecore status' lists them)")
        }
    }

    private func list(_ names: [String]) throws {
        let output = Output()
        var json = JSONLine()
        for name in names {
            if format.json {
                json.begin()
                json.add("name", name)
                json.end()
                try output.write(json.bytes)
            } else {
                try output.line(name)
            }
        }
        try output.flush()
    }

    /// What a sync fetched, how fast, and with how much trouble.
    private func fetched(_ outcome: SyncOutcome) -> String {
        var text = "\(outcome.fetched) blobs, \(outcome.fetchedBytes.byteCount)"
        let seconds = Double(outcome.downloadMilliseconds) / 1000
        // Of less there is no rate to speak of.
        if outcome.fetched > 0, seconds >= 1 {
            let bytes = Int64(Double(outcome.fetchedBytes) / seconds).byteCount
            let objects = Int((Double(outcome.fetched) / seconds).rounded())
            text += " in \(Int(seconds.rounded()).duration) (\(bytes)/s, \(objects) objects/s)"
        }
        if outcome.retries > 0 { text += ", \(outcome.retries) of \(outcome.requests) requests made again" }
        return text
    }

    private func report(_ outcome: SyncOutcome, _ output: Output) throws {
        if format.json {
            var json = JSONLine()
            json.begin()
            json.add("name", outcome.name)
            json.add("dryRun", dryRun)
            json.add("wasKnown", outcome.wasKnown)
            json.add("rows", Int64(outcome.rows))
            json.add("keys", outcome.keys)
            json.add("bytes", outcome.bytes)
            json.add("newVersions", Int64(outcome.newVersions))
            json.add("goneVersions", Int64(outcome.goneVersions))
            json.add("wanted", Int64(outcome.wanted))
            json.add("wantedBytes", outcome.wantedBytes)
            json.add("fetched", Int64(outcome.fetched))
            json.add("fetchedBytes", outcome.fetchedBytes)
            json.add("requests", Int64(outcome.requests))
            json.add("retries", Int64(outcome.retries))
            json.add("receivedBytes", outcome.receivedBytes)
            json.add("downloadMilliseconds", outcome.downloadMilliseconds)
            json.add("milliseconds", outcome.milliseconds)
            json.add("gone", Int64(outcome.gone))
            json.add("failed", Int64(outcome.failed))
            json.end()
            return try output.write(json.bytes)
        }
        for example in outcome.examples { Console.note("  \(Display.line(example))") }
        if outcome.gone + outcome.failed > outcome.examples.count, !outcome.examples.isEmpty {
            Console.note("  … ('icecore status' lists all)")
        }
        if dryRun {
            return try output.line(
                "\(outcome.name): \(outcome.newVersions) versions are new, \(outcome.goneVersions) are gone; "
                    + "\(outcome.wantedBytes) bytes (\(outcome.wantedBytes.byteCount)) would be fetched")
        }
        var line = "\(outcome.name): \(outcome.keys) keys, \(outcome.bytes.byteCount)"
        if outcome.wasKnown {
            line += "; synced before"
        } else {
            line += "; \(outcome.newVersions) versions are new, \(outcome.goneVersions) are gone"
        }
        if !metadataOnly { line += "; fetched \(fetched(outcome))" }
        if outcome.gone > 0 { line += "; \(outcome.gone) objects are gone for good" }
        if outcome.failed > 0 { line += "; \(outcome.failed) could not be had" }
        try output.line(line)
    }
}
