import ArgumentParser
import Basics
import Index
import Model
import Replica

struct SnapshotsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshots", abstract: "List the synced inventories, oldest first.")

    @Flag(help: "List the pushes of the replica that can be opened instead (with --replica).")
    var pushes = false

    @OptionGroup var options: ReadOptions
    @OptionGroup var format: JSONOption

    func validate() throws {
        guard pushes else { return }
        guard options.replica != nil else { throw ValidationError("--pushes requires --replica") }
        if options.push != nil { throw ValidationError("give --push or --pushes, not both") }
    }

    func run() throws {
        if pushes { return try listPushes() }
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

extension SnapshotsCommand {
    private func listPushes() throws {
        let replica = try Replica(ReplicaURL(options.replica ?? ""), options.flags.options())
        let output = Output()
        for push in try replica.pushes() {
            if format.json {
                try output.record(ListedPushRecord(push))
            } else {
                let newest = push.newest.map { ", the newest \($0)" } ?? ""
                try output.line(
                    "\(Int64(push.sequence).padded(6))  \(push.name)  \(push.pushedAt)  "
                        + "\(push.snapshots.of("snapshot"))\(newest)")
            }
        }
        try output.flush()
    }
}

private struct ListedPushRecord: Encodable {
    let push: String
    let sequence: Int
    let pushedAt: String
    let pushedBy: String
    let snapshots: Int
    let newest: String?
    let latest: Bool

    init(_ push: ListedPush) {
        self.push = push.name
        sequence = push.sequence
        pushedAt = push.pushedAt
        pushedBy = push.pushedBy
        snapshots = push.snapshots
        newest = push.newest
        latest = push.isLatest
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
