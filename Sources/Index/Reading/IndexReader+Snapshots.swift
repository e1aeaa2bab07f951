import Basics
import Model
import SQLite

extension IndexReader {
    /// The totals that syncs maintain.
    public func totals() throws -> StoreTotals {
        let statement = try connection.prepare("SELECT name, value FROM \(connection.sums())")
        var totals = StoreTotals()
        while try statement.step() {
            switch String(decoding: statement.bytes(0), as: UTF8.self) {
            case "versions": totals.versions = statement.integer(1)
            case "versionBytes": totals.versionBytes = statement.integer(1)
            case "blobs": totals.blobs = statement.integer(1)
            case "blobBytes": totals.blobBytes = statement.integer(1)
            default: break
            }
        }
        return totals
    }

    /// All snapshots that no prune has dropped, oldest first.
    public func snapshots() throws -> [SnapshotSummary] {
        var summaries = try snapshotRecords().map { SnapshotSummary(record: $0, missing: 0) }
        try countMissing(&summaries)
        try countAbsent(&summaries)
        return zip(summaries, timeline.points).filter { !$0.1.isPruned }.map(\.0)
    }

    private func countMissing(_ summaries: inout [SnapshotSummary]) throws {
        let policies = try summaries.map {
            try DownloadPolicy(
                metadataOnly: $0.record.metadataOnly, filter: $0.record.filter,
                permanentFilter: $0.record.permanentFilter)
        }
        try missing { directory, row in
            guard let interval = timeline.interval(row.listedFrom, row.listedTo) else { return }
            var key: [UInt8]?
            for rank in Int(interval.from)..<min(Int(interval.to), summaries.count) {
                let asks = policies[rank].asks(
                    {
                        if key == nil { key = ((try? prefix(of: directory)) ?? []) + Array(row.name) }
                        return key ?? []
                    }())
                if asks { summaries[rank].missing += 1 }
            }
        }
    }

    private func countAbsent(_ summaries: inout [SnapshotSummary]) throws {
        // By how much each snapshot's count differs from that of the one before.
        var changes: [ContentState: [Int]] = [:]
        let columns = try connection.entryColumns()
        let statement = try connection.prepare("SELECT \(columns) FROM entry WHERE \(EntryRow.Flags.isAbsent)")
        while try statement.step() {
            let row = EntryRow(statement)
            let state = row.flags.state
            // An empty content needs no blob.
            guard row.size > 0, state != .missing, !(state == .refused && row.flags.contains(.expected)),
                let interval = timeline.interval(row.listedFrom, row.listedTo)
            else { continue }
            let (from, to) = (Int(interval.from), min(Int(interval.to), summaries.count))
            guard from < to else { continue }
            changes[state, default: [Int](repeating: 0, count: summaries.count + 1)][from] += 1
            changes[state]?[to] -= 1
        }
        for (state, changes) in changes {
            var count = 0
            for rank in summaries.indices {
                count += changes[rank]
                if count > 0 { summaries[rank].absent[state] = count }
            }
        }
    }

    /// Passes every row whose blob was requested and is neither here nor gone nor archived to `body`, with its directory.
    public func missing(_ body: (Int64, EntryRow) throws -> Void) throws {
        let columns = try connection.entryColumns(withDirectory: true)
        let statement = try connection.prepare(
            "SELECT \(columns) FROM entry INDEXED BY missing WHERE \(EntryRow.Flags.isMissing)")
        while try statement.step() { try body(statement.integer(EntryRow.directoryColumn), EntryRow(statement)) }
    }

    /// The objects that could not be fetched, in the order of their keys.
    public func failures(_ body: (FailureRecord) throws -> Bool) throws {
        let state = try connection.knowsStates() ? "state" : "NULL"
        let statement = try connection.prepare(
            """
            SELECT key, versionId, etag, size, gone, reason, failedAt, \(state) FROM failure
            ORDER BY key, versionId, etag
            """)
        while try statement.step() {
            let versionId = Array(statement.bytes(1))
            let record = FailureRecord(
                key: Array(statement.bytes(0)), versionId: versionId.isEmpty ? nil : versionId,
                etag: ETag.given(String(decoding: statement.bytes(2), as: UTF8.self)), size: statement.integer(3),
                kind: FetchFailure(
                    text: String(decoding: statement.bytes(7), as: UTF8.self), isGone: statement.integer(4) != 0),
                reason: String(decoding: statement.bytes(5), as: UTF8.self),
                failedAt: Timestamp(milliseconds: statement.integer(6)))
            if try !body(record) { return }
        }
    }
}

extension IndexReader {
    /// The table `snapshot` alone, oldest first.
    public func snapshotRecords() throws -> [SnapshotRecord] {
        let statement = try connection.prepare(
            """
            SELECT id, name, takenAt, syncedAt, manifestMD5, metadataOnly, filter, permanentFilter, rowCount, keys, bytes
            FROM snapshot
            """)
        var records: [SnapshotRecord] = []
        func text(_ column: Int32) -> String? {
            statement.isNull(column) ? nil : String(decoding: statement.bytes(column), as: UTF8.self)
        }
        while try statement.step() {
            let policy = try DownloadPolicy(
                metadataOnly: statement.integer(5) != 0, filter: text(6), permanentFilter: text(7))
            records.append(
                SnapshotRecord(
                    id: statement.integer(0), name: text(1) ?? "",
                    takenAt: Timestamp(milliseconds: statement.integer(2)),
                    syncedAt: Timestamp(milliseconds: statement.integer(3)), manifestMD5: Array(statement.bytes(4)),
                    policy: policy, rowCount: statement.integer(8), keys: statement.integer(9),
                    bytes: statement.integer(10)))
        }
        return records.sorted { timeline.rank(of: $0.id) < timeline.rank(of: $1.id) }
    }
}
