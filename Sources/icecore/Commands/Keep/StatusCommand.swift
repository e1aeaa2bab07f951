import ArgumentParser
import Basics
import Index
import Model
import Store

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what the store holds and what it lacks.")

    @Flag(help: "List every object that could not be fetched, and nothing else.")
    var failures = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    /// How many reasons and objects are shown without --failures.
    private static let most = 10

    func run() throws {
        let store = try options.open()
        let reader = try store.reader()
        let output = Output()
        if failures {
            if format.json { try failuresAsJSON(reader, output) } else { try list(reader, output, limit: nil) }
            return try output.flush()
        }
        let snapshots = try reader.snapshots()
        let absent = try reader.absentContents()
        if format.json {
            try output.record(StatusRecord(store, snapshots, try reader.totals(), absent))
            try failuresAsJSON(reader, output)
        } else {
            try describe(store, snapshots, try reader.totals(), output)
            if !snapshots.isEmpty { try describe(absent, output) }
            try describeFailures(reader, output)
        }
        try output.flush()
    }

    private func describe(
        _ store: Store, _ snapshots: [SnapshotSummary], _ totals: StoreTotals, _ output: Output
    ) throws {
        try output.line("store:      \(store.path) (format \(store.configuration.format))")
        try output.line("bucket:     s3://\(store.configuration.bucket)")
        try output.line("inventory:  \(store.configuration.inventory ?? "none")")
        let access = [
            ("endpoint", store.configuration.endpointURL), ("region", store.configuration.region),
            ("profile", store.configuration.profile),
        ].compactMap { name, value in value.map { "\(name) \($0)" } }
        if !access.isEmpty { try output.line("access:     \(access.joined(separator: ", "))") }
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
        try output.line("newest:     \(newest.record.keys) keys, \(newest.record.bytes.byteCount)")
        let separately = totals.versionBytes.byteCount
        try output.line("versions:   \(totals.versions), \(separately) if each were stored separately")
        try output.line("stored:     \(totals.blobs) blobs, \(totals.blobBytes.byteCount)")
        try output.line("index:      \((Files.size(store.indexPath) ?? 0).byteCount)")
        try output.line("last sync:  \(synced)")
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
        if others > 0 { try output.line("  … and for \(others) other reasons") }
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
    let indexBytes: Int64
    let missing: Int
    let lastSync: String?
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
        _ store: Store, _ snapshots: [SnapshotSummary], _ totals: StoreTotals, _ absent: [ContentState: StateCount]
    ) {
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
        indexBytes = Files.size(store.indexPath) ?? 0
        missing = snapshots.map(\.missing).max() ?? 0
        lastSync = snapshots.map(\.record.syncedAt).max()?.rfc3339
        func count(_ state: ContentState) -> (Int64, Int64) {
            absent[state].map { ($0.versions, $0.bytes) } ?? (0, 0)
        }
        missingBytes = count(.missing).1
        (archived, archivedBytes) = count(.archived)
        (refused, refusedBytes) = count(.refused)
        (gone, goneBytes) = count(.gone)
        (pruned, prunedBytes) = count(.pruned)
    }
}
