import Basics
import GRDBSQLite
import Index
import Model
import SQLite

/// What can still be read from a possibly damaged index: the snapshots, and what inventories do not tell.
public final class IndexRecovery {
    /// Those that can be read and that no prune has dropped; oldest first.
    public private(set) var snapshots: [SnapshotRecord] = []
    /// The names of those that a prune has dropped, if they can be read.
    public private(set) var pruned: Set<String> = []
    /// These lists are known to be complete.
    public private(set) var hasAllSnapshots = false
    /// What could not be read.
    public private(set) var warnings: [String] = []
    private let store: Store
    private let connection: Connection?

    /// The tables to carry over, each with its columns and its primary key.
    private static let tables: [(name: String, columns: [String], key: [String])] = [
        ("blob", ["etag", "size", "partSize", "sha256"], ["etag", "size"]),
        ("headerSet", ["id", "headers"], ["id"]),
        (
            "failure", ["key", "versionId", "etag", "size", "gone", "reason", "failedAt"],
            ["key", "versionId", "etag"]
        ),
    ]
    /// The tables that prunes write to. What lies before a prune's horizon is not requested again.
    private static let pruneTables: [(name: String, columns: [String], key: [String])] = [
        ("prune", ["prefix", "horizon", "prunedAt"], ["prefix"]), ("doomed", ["name", "size"], ["name"]),
    ]

    public init(_ store: Store) {
        self.store = store
        let path = store.indexPath
        connection = try? Connection(path, readOnly: true)
        do {
            guard let connection else { throw IcecoreError(.damaged, "'\(path)' cannot be opened") }
            let reader = try store.reader()
            pruned = Set(reader.timeline.points.filter(\.isPruned).map(\.name))
            snapshots = try reader.snapshotRecords().filter { !pruned.contains($0.name) }
            reader.end()
            let stored = try connection.storedSum(RowDigest.snapshots)
            hasAllSnapshots = try stored == connection.sumOfSnapshots()
        } catch {
            warnings.append("the snapshots of the old index could not be read: \(error)")
        }
    }

    /// Copies the facts about blobs, the headers, the failures and the count of blobs into a new index; the facts from
    /// what is kept beside the blobs as well, which damage of the old index has not reached.
    public func copyFacts(into new: Store) throws {
        if let connection { try copyTables(of: connection, into: new) }
        let records = try BlobRecords(new)
        var count = 0
        _ = try FactKeeper(store).read { fact in
            try records.add(etag: fact.etag, size: fact.size, parts: fact.parts, sha256: fact.sha256)
            count += 1
            if count % 100_000 == 0 { try records.commit() }
        }
        try records.commit()
    }

    private func copyTables(of connection: Connection, into new: Store) throws {
        let target = try Connection(new.indexPath, readOnly: false)
        try target.execute("PRAGMA synchronous = FULL; BEGIN IMMEDIATE")
        let knowsPrunes = (try? connection.knowsPrunes()) ?? false
        let knowsStates = (try? connection.knowsStates()) ?? false
        let knowsParts = (try? connection.knowsParts()) ?? false
        for var table in IndexRecovery.tables + (knowsPrunes ? IndexRecovery.pruneTables : []) {
            if table.name == "failure", knowsStates { table.columns.append("state") }
            if table.name == "blob", knowsParts { table.columns.append("parts") }
            // From the beginning, and if damage is met on the way, also from the end.
            if try !copy(table.name, table.columns, "ORDER BY \(table.key.joined(separator: ", "))", target) {
                let reversed = table.key.map { "\($0) DESC" }.joined(separator: ", ")
                _ = try copy(table.name, table.columns, "ORDER BY \(reversed)", target)
                warnings.append("not all rows of the old table \(table.name) could be read")
            }
        }
        if (try? connection.knowsHeaders()) != true { try HeaderMigration.prefixMetadata(target) }
        try copyHeaders(into: new)
        _ = try copy(
            "total", from: (try? connection.sums()) ?? "total", ["name", "value"],
            "WHERE name IN ('blobs', 'blobBytes')", target)
        try target.execute("COMMIT")
    }

    /// Lays the headers of the old index ready for the rows of the new one.
    private func copyHeaders(into new: Store) throws {
        guard let connection else { return }
        do {
            // Those of a sync that was killed name sets of the old index.
            try ArrivedHeaders.remove(in: new.temporaryPath)
            let waiting = try ArrivedHeaders(directory: new.temporaryPath)
            if (try? connection.knowsHeaders()) ?? false {
                let names = try DirectoryNames(connection)
                let known = EntryRow.Flags.headersKnown
                let rows = try connection.prepare(
                    """
                    SELECT \(connection.entryColumns(withDirectory: true)) FROM entry
                    WHERE child IS NULL AND (headers IS NOT NULL OR \(EntryRow.Flags.condition(all: known)))
                    """)
                while try rows.step() {
                    try Interruption.check()
                    let row = EntryRow(rows)
                    guard let prefix = try names.prefix(of: rows.integer(EntryRow.directoryColumn)) else { continue }
                    try (prefix + Array(row.name)).withUnsafeBytes { key in
                        try waiting.add(
                            key: key, versionId: row.versionId, etag: row.etag,
                            .init(set: row.headers, isComplete: row.flags.contains(known)))
                    }
                }
            } else {
                let rows = try connection.prepare("SELECT key, versionId, etag, headerSet FROM objectHeaders")
                while try rows.step() {
                    try Interruption.check()
                    try ETag(Array(rows.bytes(2))).bytesOfRow.withUnsafeBytes { etag in
                        try waiting.add(
                            key: rows.bytes(0), versionId: rows.bytes(1), etag: etag,
                            .init(set: rows.integer(3), isComplete: false))
                    }
                }
            }
            try waiting.commit()
        } catch let error as IcecoreError {
            if error.code == .interrupted || error.code == .noSpace { throw error }
            warnings.append("not all headers of the old index could be read: \(error)")
        }
    }

    /// Records in a new index which snapshots a prune has dropped, so that they are not synced again. This comes last,
    /// because a merge would take them for snapshots that list nothing.
    public func copyPruned(into new: Store) throws {
        guard !pruned.isEmpty else { return }
        let target = try Connection(new.indexPath, readOnly: false)
        try target.execute("PRAGMA synchronous = FULL; BEGIN IMMEDIATE")
        let columns = [
            "name", "takenAt", "syncedAt", "manifestMD5", "metadataOnly", "filter", "permanentFilter", "rowCount",
            "keys", "bytes", "prunedAt",
        ]
        // With new ids: their old ones may be taken by now.
        if try !copy("snapshot", columns, "WHERE prunedAt IS NOT NULL", target) {
            warnings.append("not all pruned snapshots could be read: those can be synced again")
        }
        try target.renewDigests()
        try target.execute("COMMIT")
    }

    /// Returns false if not all rows could be read.
    private func copy(
        _ table: String, from source: String? = nil, _ columns: [String], _ clause: String, _ target: Connection
    ) throws -> Bool {
        let names = columns.joined(separator: ", ")
        let marks = columns.map { _ in "?" }.joined(separator: ", ")
        let insert = try target.prepare("INSERT OR REPLACE INTO \(table) (\(names)) VALUES (\(marks))")
        do {
            guard let select = try connection?.prepare("SELECT \(names) FROM \(source ?? table) \(clause)") else {
                return false
            }
            while try select.step() {
                try Interruption.check()
                for column in Int32(0)..<Int32(columns.count) {
                    sqlite3_bind_value(insert.handle, column + 1, select.value(column).handle)
                }
                // A row that violates its table's constraints is damage, too.
                if (try? insert.run()) == nil { insert.reset() }
            }
            return true
        } catch {
            if error.code == .interrupted || error.code == .noSpace { throw error }
            return false
        }
    }
}
