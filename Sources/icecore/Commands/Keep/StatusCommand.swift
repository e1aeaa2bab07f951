import ArgumentParser
import Basics
import Index
import Store

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what the store holds and what it lacks.")

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let store = try options.open()
        let reader = try store.reader()
        let snapshots = try reader.snapshots()
        let output = Output()
        if format.json {
            try output.record(StatusRecord(store, snapshots, try reader.totals()))
            try failuresAsJSON(reader, output)
        } else {
            try describe(store, snapshots, try reader.totals(), output)
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
        let missing = snapshots.map(\.missing).max() ?? 0
        try output.line("missing:    \(missing == 0 ? "nothing that was requested" : "\(missing) objects")")
    }

    private func describeFailures(_ reader: IndexReader, _ output: Output) throws {
        var count = 0
        try reader.failures { failure in
            if count == 0 { try output.line("could not be fetched:") }
            count += 1
            try output.write("  ".utf8)
            try output.name(failure.key)
            let id = failure.versionId.map { " (version \(String(decoding: $0, as: UTF8.self)))" } ?? ""
            try output.line("\(Display.line(id)): \(Display.line(failure.reason))")
            return true
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
            json.add("gone", failure.isGone)
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

    init(_ store: Store, _ snapshots: [SnapshotSummary], _ totals: StoreTotals) {
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
    }
}
