import ArgumentParser
import Basics
import Index
import Store

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Say what the store holds, and what it lacks.")

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let store = try options.open()
        let reader = try store.reader()
        let snapshots = try reader.snapshots()
        let output = Output()
        if format.json {
            try summary(store, snapshots, try reader.totals(), output)
            try failuresAsJSON(reader, output)
        } else {
            try describe(store, snapshots, try reader.totals(), output)
            try describeFailures(reader, output)
        }
        try output.flush()
    }

    private func summary(
        _ store: Store, _ snapshots: [SnapshotSummary], _ totals: StoreTotals, _ output: Output
    ) throws {
        var json = JSONLine()
        json.begin()
        json.add("store", store.path)
        json.add("bucket", store.configuration.bucket)
        json.add("inventory", store.configuration.inventory)
        json.add("format", Int64(store.configuration.format))
        json.add("distrustETagsSince", store.configuration.distrustETagsSince)
        json.add("snapshots", Int64(snapshots.count))
        json.add("newest", snapshots.last?.record.name)
        json.add("keys", snapshots.last?.record.keys ?? 0)
        json.add("bytes", snapshots.last?.record.bytes ?? 0)
        json.add("versions", totals.versions)
        json.add("versionBytes", totals.versionBytes)
        json.add("blobs", totals.blobs)
        json.add("blobBytes", totals.blobBytes)
        json.add("indexBytes", Files.size(store.indexPath) ?? 0)
        json.add("missing", Int64(snapshots.map(\.missing).max() ?? 0))
        json.add("lastSync", snapshots.map(\.record.syncedAt).max()?.rfc3339)
        json.end()
        try output.write(json.bytes)
    }

    private func describe(
        _ store: Store, _ snapshots: [SnapshotSummary], _ totals: StoreTotals, _ output: Output
    ) throws {
        try output.line("store:      \(store.path) (format \(store.configuration.format))")
        try output.line("bucket:     s3://\(store.configuration.bucket)")
        try output.line("inventory:  \(store.configuration.inventory ?? "none")")
        if let since = store.configuration.distrustETagsSince {
            try output.line("contents:   each version on its own, under its SHA-256, since \(since)")
        }
        guard let newest = snapshots.last else {
            return try output.line("snapshots:  none yet: 'icecore sync' makes the first")
        }
        let synced = snapshots.map(\.record.syncedAt).max() ?? newest.record.syncedAt
        try output.line("snapshots:  \(snapshots.count), \(snapshots[0].record.name) to \(newest.record.name)")
        try output.line("newest:     \(newest.record.keys) keys, \(newest.record.bytes.byteCount)")
        let alone = totals.versionBytes.byteCount
        try output.line("versions:   \(totals.versions), \(alone) if each were stored on its own")
        try output.line("stored:     \(totals.blobs) blobs, \(totals.blobBytes.byteCount)")
        try output.line("index:      \((Files.size(store.indexPath) ?? 0).byteCount)")
        try output.line("last sync:  \(synced)")
        let missing = snapshots.map(\.missing).max() ?? 0
        try output.line("missing:    \(missing == 0 ? "nothing that was asked for" : "\(missing) objects")")
    }

    private func describeFailures(_ reader: IndexReader, _ output: Output) throws {
        var count = 0
        try reader.failures { failure in
            if count == 0 { try output.line("could not be had:") }
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
