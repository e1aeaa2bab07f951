import Basics
import Index
import Model
import Store
import Sync

/// What a monitoring system should know of a store, in Prometheus's text format, for its textfile collector.
struct StatusMetrics {
    private var text = ""
    private let labels: String

    init(_ store: Store, _ reader: IndexReader) throws {
        labels = "store=\(Self.quoted(store.path)),bucket=\(Self.quoted(store.configuration.bucket))"
        let snapshots = try reader.snapshots()
        let totals = try reader.totals()
        let absent = try reader.absentContents()
        let last = snapshots.last?.record
        add("snapshots", "Snapshots that are kept.", Double(snapshots.count))
        if let last {
            add("newest_snapshot_timestamp_seconds", "When the newest inventory was begun.", seconds(last.takenAt))
            add("keys", "Keys in the newest snapshot.", Double(last.keys))
            add("bytes", "Bytes of the newest snapshot.", Double(last.bytes))
        }
        if let synced = snapshots.map(\.record.syncedAt).max() {
            add("last_sync_timestamp_seconds", "When an inventory was last synced.", seconds(synced))
        }
        let rhythm = InventoryRhythm(snapshots.map(\.record.takenAt))
        let isLate = store.configuration.inventory != nil && rhythm.lateness() != nil
        add("inventory_late", "1 if no inventory has come for longer than usual.", isLate ? 1 : 0)
        add("versions", "Versions that are known.", Double(totals.versions))
        add("blobs", "Contents in the store.", Double(totals.blobs))
        add("blob_bytes", "Bytes of the contents in the store.", Double(totals.blobBytes))
        add("index_bytes", "Bytes of the index.", Double(Files.size(store.indexPath) ?? 0))
        let room = try FreeSpace(store.path)
        add("free_bytes", "Bytes that are free where the store is.", Double(room.bytes))
        begin("absent_versions", "Versions whose content is not in the store, by the reason.")
        for state in [ContentState.missing, .archived, .refused, .gone, .pruned] {
            add(state: state, "absent_versions", Double(absent[state]?.versions ?? 0))
        }
        begin("absent_bytes", "Bytes of these versions.")
        for state in [ContentState.missing, .archived, .refused, .gone, .pruned] {
            add(state: state, "absent_bytes", Double(absent[state]?.bytes ?? 0))
        }
    }

    /// Writes the file as a whole: a collector sees the one before or this one.
    func write(to path: String) throws {
        try Files.replace(path, with: Array(text.utf8))
    }

    private func seconds(_ time: Timestamp) -> Double { Double(time.milliseconds) / 1000 }

    private mutating func begin(_ name: String, _ help: String) {
        text += "# HELP icecore_\(name) \(help)\n# TYPE icecore_\(name) gauge\n"
    }

    private mutating func add(_ name: String, _ help: String, _ value: Double) {
        begin(name, help)
        text += "icecore_\(name){\(labels)} \(Self.number(value))\n"
    }

    private mutating func add(state: ContentState, _ name: String, _ value: Double) {
        text += "icecore_\(name){\(labels),state=\"\(state.rawValue)\"} \(Self.number(value))\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }

    /// A label's value: paths may hold anything.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for character in text.unicodeScalars {
            switch character {
            case "\\": quoted += "\\\\"
            case "\"": quoted += "\\\""
            case "\n": quoted += "\\n"
            default: quoted.unicodeScalars.append(character)
            }
        }
        return quoted + "\""
    }
}
