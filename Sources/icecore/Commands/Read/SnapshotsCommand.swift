import ArgumentParser
import Basics
import Index
import Model

struct SnapshotsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshots", abstract: "List the synced inventories, oldest first.")

    @OptionGroup var options: ReadOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let reader = try options.open().reader()
        let output = Output()
        for snapshot in try reader.snapshots() {
            let record = snapshot.record
            if format.json {
                try output.record(ListedSnapshotRecord(snapshot))
            } else {
                var state =
                    record.metadataOnly
                    ? "metadata only" : snapshot.missing == 0 ? "complete" : "\(snapshot.missing) missing"
                for (kind, count) in snapshot.absent.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                    state += ", \(count) \(kind.rawValue)"
                }
                try output.line(
                    "\(record.name)  \(record.takenAt)  \(record.keys.padded(12)) keys  "
                        + "\(record.bytes.byteCount.padded(10))  \(state)")
            }
        }
        try output.flush()
    }
}

private struct ListedSnapshotRecord: Encodable {
    let name: String
    let takenAt: String
    let complete: Bool
    let keys: Int64
    let bytes: Int64

    init(_ snapshot: SnapshotSummary) {
        name = snapshot.record.name
        takenAt = snapshot.record.takenAt.rfc3339
        complete = snapshot.missing == 0
        keys = snapshot.record.keys
        bytes = snapshot.record.bytes
    }
}
