import ArgumentParser
import Basics
import Index
import Model
import Replica
import Store
import Sync

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what the store holds and what it lacks.",
        discussion: """
            What is missing was asked for and did not come: the next sync asks again. What is archived, refused, gone or \
            pruned is not asked for, and no failure. '--list archived' lists the versions in one of these states, \
            '--failures' what the source said of each object that did not come.
            """)

    @Flag(help: "List every object that could not be fetched, and nothing else.")
    var failures = false

    @Option(
        name: .customLong("list"),
        help: ArgumentHelp(
            "List every version whose content is in this state, and nothing else.",
            valueName: ListedState.allCases.map(\.rawValue).joined(separator: "|")))
    var listed: ListedState?

    @Option(
        help: ArgumentHelp(
            "Write figures for Prometheus's textfile collector into this file, and print nothing.", valueName: "file"))
    var prometheus: String?

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func validate() throws {
        if prometheus != nil, failures || listed != nil || format.json {
            throw ValidationError("--prometheus cannot be combined with --failures, --list or --json")
        }
        if failures, listed != nil { throw ValidationError("give --failures or --list, not both") }
    }

    /// How many reasons and objects are shown without --failures.
    private static let most = 10

    func run() throws {
        let store = try options.open()
        let reader = try store.reader()
        if let prometheus { return try StatusMetrics(store, reader).write(to: prometheus) }
        let output = Output()
        if failures {
            if format.json { try failuresAsJSON(reader, output) } else { try list(reader, output, limit: nil) }
            return try output.flush()
        }
        if let listed {
            try list(listed, reader, output)
            return try output.flush()
        }
        let snapshots = try reader.snapshots()
        let absent = try reader.absentContents()
        if format.json {
            try output.record(try StatusRecord(store, snapshots, reader, absent))
            try failuresAsJSON(reader, output)
        } else {
            try describe(store, snapshots, reader, output)
            if !snapshots.isEmpty { try describe(absent, output) }
            try describeFailures(reader, output)
        }
        try output.flush()
    }

    /// Where the contents are if not here, and how far a sync is that others help.
    private func describeWork(_ store: Store, _ output: Output) throws {
        guard let place = store.configuration.objectStore else { return }
        try output.line("contents:   at \(place.url)")
        do {
            for work in try WorkProgress.read(store, environment: Console.environment) {
                try output.line(
                    "work:       \(work.inventory): \(work.done) of \(work.shards.of("share")) done, "
                        + "\(work.underWay.count) under way, planned at \(work.plannedAt)")
                for (shard, worker, since) in work.underWay.prefix(StatusCommand.most) {
                    try output.line("            share \(shard): \(Display.line(worker)) since \(since)")
                }
            }
        } catch let error as IcecoreError where error.code != .interrupted {
            Console.note("what is under way there is not known: \(error)")
        }
    }

    private func describe(
        _ store: Store, _ snapshots: [SnapshotSummary], _ reader: IndexReader, _ output: Output
    ) throws {
        let totals = try reader.totals()
        try output.line("store:      \(store.path) (format \(store.configuration.format))")
        try output.line("bucket:     s3://\(store.configuration.bucket)")
        try output.line("inventory:  \(store.configuration.inventory ?? "none")")
        let access = [
            ("endpoint", store.configuration.endpointURL), ("region", store.configuration.region),
            ("profile", store.configuration.profile),
        ].compactMap { name, value in value.map { "\(name) \($0)" } }
        if !access.isEmpty { try output.line("access:     \(access.joined(separator: ", "))") }
        try describeWork(store, output)
        if let since = store.configuration.distrustETagsSince {
            try output.line("contents:   each version separately, under its SHA-256, since \(since)")
        }
        if let meaning = store.configuration.etags {
            try output.line("ETags:      \(meaning.rawValue): contents are stored under their SHA-256")
        }
        guard let newest = snapshots.last else {
            return try output.line("snapshots:  none yet: 'icecore sync' creates the first")
        }
        let synced = snapshots.map(\.record.syncedAt).max() ?? newest.record.syncedAt
        try output.line("snapshots:  \(snapshots.count), \(snapshots[0].record.name) to \(newest.record.name)")
        try output.line("newest:     \(newest.record.keys.of("key")), \(newest.record.bytes.byteCount)")
        let separately = totals.versionBytes.byteCount
        try output.line("versions:   \(totals.versions), \(separately) if each were stored separately")
        try output.line("stored:     \(totals.blobs.of("blob")), \(totals.blobBytes.byteCount)")
        try describePacks(store, totals, dead: reader.doomedTotal(), output)
        try output.line("index:      \((Files.size(store.indexPath) ?? 0).byteCount)")
        try output.line("last sync:  \(synced)")
        if let run = StoreLock.lastRun(store) {
            let end = run.ended.map { "ended at \($0)" } ?? "has not ended, or was killed"
            try output.line(
                "last run:   \(Display.line(run.began)) ('\(Display.line(run.command))', \(Display.line(end)))")
        }
        let rhythm = InventoryRhythm(snapshots.map(\.record.takenAt))
        if store.configuration.inventory != nil, let age = rhythm.lateness() {
            let usual = rhythm.interval.map { ", and they used to come every \(($0 / 1000).duration)" } ?? ""
            try output.line(
                "warning:    the newest inventory is \((age / 1000).duration) old\(usual): does the bucket still get "
                    + "inventories, and does 'icecore sync' run?")
        }
    }

    /// What lies in packs, and what packs would save where there are none.
    private func describePacks(
        _ store: Store, _ totals: StoreTotals, dead: (blobs: Int64, bytes: Int64), _ output: Output
    ) throws {
        do {
            let packed = try PackedContents(store)
            if packed.packs > 0 {
                let file = packed.fileBytes.byteCount
                try output.line(
                    "in packs:   \(packed.contents.of("blob")), \(packed.contentBytes.byteCount), in \(packed.packs.of("pack")) (\(file))"
                )
                if dead.blobs > 0 {
                    try output.line(
                        "dead:       \(dead.blobs.of("blob")), \(dead.bytes.byteCount), which prunes have dropped; a pack is rewritten once more than a quarter of it is dead"
                    )
                }
            }
            guard let advice = PackingAdvice(store, blobs: totals.blobs, bytes: totals.blobBytes, packed) else {
                return
            }
            try output.line("hint:       \(advice.sentence)")
        } catch let error as IcecoreError where error.code == .damaged {
            try output.line("warning:    \(Display.line(error.message))")
        }
    }

    /// What is not in the store: a line for each state.
    private func describe(_ absent: [ContentState: StateCount], _ output: Output) throws {
        try output.line("missing:    \(absent[.missing]?.text ?? "nothing that was requested")")
        let rest: [(ContentState, String, String)] = [
            (.archived, "archived:   ", "'icecore sync --archived fetch' asks for what has been restored"),
            (.refused, "refused:    ", "for lack of a permission, or encrypted with keys of their owner"),
            (.gone, "gone:       ", "the bucket no longer had them"),
            (.pruned, "pruned:     ", "no kept view shows them"),
        ]
        for (state, label, meaning) in rest {
            guard let count = absent[state] else { continue }
            try output.line("\(label)\(count.text) (\(meaning))")
        }
    }

    private func describeFailures(_ reader: IndexReader, _ output: Output) throws {
        let (reasons, others) = try reader.failureReasons(limit: StatusCommand.most)
        if reasons.isEmpty { return }
        let count = reasons.reduce(0) { $0 + Int($1.count.versions) }
        if others == 0, count <= StatusCommand.most {
            try output.line("could not be fetched:")
            return try list(reader, output, limit: nil)
        }
        try output.line("could not be fetched, by reason:")
        for reason in reasons {
            try output.line("  \(Display.line(reason.text)): \(reason.count.text)")
        }
        if others > 0 { try output.line("  … and for \(others.of("other reason"))") }
        try output.line("for example ('icecore status --failures' lists them all):")
        try list(reader, output, limit: StatusCommand.most)
    }

    private func list(_ reader: IndexReader, _ output: Output, limit: Int?) throws {
        var count = 0
        try reader.failures { failure in
            count += 1
            try output.write("  ".utf8)
            try output.name(failure.key)
            let id = failure.versionId.map { " (version \(String(decoding: $0, as: UTF8.self)))" } ?? ""
            try output.line("\(Display.line(id)): \(Display.line(failure.reason))")
            return limit.map { count < $0 } ?? true
        }
    }

    /// The versions in one state, one a line.
    private func list(_ listed: ListedState, _ reader: IndexReader, _ output: Output) throws {
        var json = JSONLine()
        try reader.versions(in: listed.state) { key, row in
            let id = row.versionIsUnknown ? nil : Array(row.versionId)
            if format.json {
                json.begin()
                json.add("key", text: key)
                json.add(versionId: id)
                json.add("etag", row.etagValue?.description)
                json.add("size", row.size)
                json.add("lastModified", row.lastModified.rfc3339)
                json.add("state", listed.rawValue)
                json.end()
                return try output.write(json.bytes)
            }
            try output.name(key)
            let version = id.map { " (version \(String(decoding: $0, as: UTF8.self)))" } ?? ""
            try output.line("\(Display.line(version)): \(row.size.byteCount) of \(row.lastModified)")
        }
    }

    private func failuresAsJSON(_ reader: IndexReader, _ output: Output) throws {
        var json = JSONLine()
        try reader.failures { failure in
            json.begin()
            json.add("key", text: failure.key)
            json.add(versionId: failure.versionId)
            json.add("etag", failure.etag)
            json.add("size", failure.size)
            json.add("gone", failure.kind == .gone)
            json.add("state", failure.kind.state.rawValue)
            json.add("reason", failure.reason)
            json.add("failedAt", failure.failedAt.rfc3339)
            json.end()
            try output.write(json.bytes)
            return true
        }
    }
}

/// A state whose versions can be listed.
enum ListedState: String, ExpressibleByArgument, CaseIterable {
    case missing, archived, refused, gone, pruned

    var state: ContentState {
        switch self {
        case .missing: .missing
        case .archived: .archived
        case .refused: .refused
        case .gone: .gone
        case .pruned: .pruned
        }
    }
}

private struct StatusRecord: Encodable {
    let store: String
    let bucket: String
    let inventory: String?
    let format: Int
    let distrustETagsSince: String?
    let etags: String?
    let snapshots: Int
    let newest: String?
    let keys: Int64
    let bytes: Int64
    let versions: Int64
    let versionBytes: Int64
    let blobs: Int64
    let blobBytes: Int64
    /// Of these, those in packs; null if the catalogue of packs is damaged.
    let packedBlobs: Int64?
    let packedBlobBytes: Int64?
    let packs: Int?
    let packBytes: Int64?
    /// What prunes have dropped, and what is still there: in packs that are worth keeping.
    let deadBlobs: Int64
    let deadBytes: Int64
    /// About what 'icecore pack' would free, if that is worth saying.
    let packableInodes: Int64?
    let packableBytes: Int64?
    let indexBytes: Int64
    let missing: Int64
    let lastSync: String?
    let lastRun: String?
    let lastRunCommand: String?
    let inventoryIsLate: Bool
    let missingBytes: Int64
    let archived: Int64
    let archivedBytes: Int64
    let refused: Int64
    let refusedBytes: Int64
    let gone: Int64
    let goneBytes: Int64
    let pruned: Int64
    let prunedBytes: Int64

    init(
        _ store: Store, _ snapshots: [SnapshotSummary], _ reader: IndexReader, _ absent: [ContentState: StateCount]
    ) throws {
        let totals = try reader.totals()
        let configuration = store.configuration
        let last = snapshots.last?.record
        self.store = store.path
        bucket = configuration.bucket
        inventory = configuration.inventory
        format = configuration.format
        distrustETagsSince = configuration.distrustETagsSince
        etags = configuration.etags?.rawValue
        self.snapshots = snapshots.count
        newest = last?.name
        keys = last?.keys ?? 0
        bytes = last?.bytes ?? 0
        versions = totals.versions
        versionBytes = totals.versionBytes
        blobs = totals.blobs
        blobBytes = totals.blobBytes
        let packed = try? PackedContents(store)
        (packs, packBytes) = (packed?.packs, packed?.fileBytes)
        (packedBlobs, packedBlobBytes) = (packed?.contents, packed?.contentBytes)
        (deadBlobs, deadBytes) = try reader.doomedTotal()
        let advice = packed.flatMap {
            PackingAdvice(store, blobs: totals.blobs, bytes: totals.blobBytes, $0)
        }
        (packableInodes, packableBytes) = (advice?.files, advice?.bytes)
        indexBytes = Files.size(store.indexPath) ?? 0
        lastSync = snapshots.map(\.record.syncedAt).max()?.rfc3339
        func count(_ state: ContentState) -> (Int64, Int64) {
            absent[state].map { ($0.versions, $0.bytes) } ?? (0, 0)
        }
        (missing, missingBytes) = count(.missing)
        let run = StoreLock.lastRun(store)
        (lastRun, lastRunCommand) = (run?.began, run?.command)
        inventoryIsLate =
            inventory != nil && InventoryRhythm(snapshots.map(\.record.takenAt)).lateness() != nil
        (archived, archivedBytes) = count(.archived)
        (refused, refusedBytes) = count(.refused)
        (gone, goneBytes) = count(.gone)
        (pruned, prunedBytes) = count(.pruned)
    }
}
