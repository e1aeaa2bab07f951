import Basics
import Foundation
import Glibc
import Index
import Inventory
import Merge
import Model
import S3
import SQLite
import Store

/// Makes the index of a store again, from the inventories that it keeps.
///
/// The new index grows beside the old one, which stays as it is until the new one is whole; then it goes to `quarantine/`.
public final class Reindex {
    /// What came out.
    public struct Outcome: Sendable {
        /// Snapshots that the new index has, oldest first.
        public var rebuilt: [String] = []
        /// Snapshots of the old index whose inventories nobody has any more.
        public var lost: [String] = []
        /// Inventories that are kept and damaged, and why.
        public var damaged: [(name: String, reason: String)] = []
        /// Where the old index is now.
        public var oldIndex: String?
    }

    private let store: Store
    private let acceptsLoss: Bool
    private let reporter: SyncReporter
    private let client: S3Client

    /// - Parameter acceptsLoss: goes on where snapshots of the old index cannot be made again.
    public init(_ store: Store, acceptsLoss: Bool, environment: [String: String], reporter: SyncReporter) throws {
        self.store = store
        self.acceptsLoss = acceptsLoss
        self.reporter = reporter
        let configuration = store.configuration
        client = S3Client(
            try S3Configuration(
                region: configuration.region, endpointURL: configuration.endpointURL, profile: configuration.profile,
                unsigned: configuration.noSignRequest ?? false, requesterPays: configuration.requesterPays ?? false,
                environment: environment))
    }

    public func run() throws -> Outcome {
        let lock = try StoreLock(store, command: "icecore reindex")
        defer { withExtendedLifetime(lock) {} }
        try store.removeLeftovers()
        var outcome = Outcome()
        let recovery = IndexRecovery(store)
        for warning in recovery.warnings { reporter.warning(warning) }
        let inventories = try gather(recovery, &outcome)
        guard !inventories.isEmpty else {
            throw IcecoreError(
                .notFound, "the store keeps no inventory from which an index could be made. Nothing was changed")
        }
        if !outcome.lost.isEmpty {
            let names = outcome.lost.joined(separator: ", ")
            guard acceptsLoss else {
                throw IcecoreError(
                    .notFound,
                    "\(outcome.lost.count) snapshots cannot be made again, for their inventories were not kept: \(names). "
                        + "--accept-loss makes an index without them. Nothing was changed")
            }
            reporter.warning("without the snapshots whose inventories were not kept: \(names)")
        }
        var new = store
        new.indexPath = "\(store.indexPath).new"
        do {
            try build(new, inventories, recovery)
        } catch {
            for suffix in ["", "-wal", "-shm"] { unlink(new.indexPath + suffix) }
            throw error
        }
        outcome.rebuilt = inventories.map(\.inventory.name)
        outcome.oldIndex = try exchange(new)
        return outcome
    }

    // MARK: - The inventories

    private typealias Source = (inventory: FetchedInventory, record: SnapshotRecord?)

    /// All inventories that there are of the snapshots, in the order of their dates.
    private func gather(_ recovery: IndexRecovery, _ outcome: inout Outcome) throws -> [Source] {
        var found: [Source] = []
        let records = Dictionary(recovery.snapshots.map { ($0.name, $0) }) { first, _ in first }
        // What a sync has fetched and not committed is no snapshot; that can be told only where all snapshots are known.
        let kept = KeptInventory.names(store).filter {
            !recovery.pruned.contains($0) && (!recovery.hasAllSnapshots || records[$0] != nil)
        }
        for name in kept {
            do {
                let inventory = try open(name)
                if let record = records[name], record.manifestMD5 != inventory.md5 {
                    throw IcecoreError(.invalidData, "its manifest is not the one that was synced")
                }
                found.append((inventory, records[name]))
            } catch let error as IcecoreError where error.code != .interrupted {
                outcome.damaged.append((name, error.message))
            }
        }
        let names = Set(found.map(\.inventory.name))
        for record in recovery.snapshots where !names.contains(record.name) {
            if let inventory = try fetch(record) {
                found.append((inventory, record))
            } else {
                outcome.lost.append(record.name)
            }
        }
        for damage in outcome.damaged where !found.contains(where: { $0.inventory.name == damage.name }) {
            if !outcome.lost.contains(damage.name) { outcome.lost.append(damage.name) }
            reporter.warning("the inventory \(damage.name) that the store keeps cannot be used: \(damage.reason)")
        }
        return found.sorted {
            ($0.inventory.manifest.created, $0.inventory.name) < ($1.inventory.manifest.created, $1.inventory.name)
        }
    }

    /// Opens a kept inventory, every file of it checked.
    private func open(_ name: String) throws -> FetchedInventory {
        let directory = "\(store.inventoriesPath)/\(name)"
        let json = try Files.read("\(directory)/manifest.json", limit: Manifest.largestJSON)
        let checksum = try Files.read("\(directory)/manifest.checksum", limit: 4096)
        try Manifest.check(json: json, checksum: checksum, origin: "\(directory)/manifest.json")
        let manifest = try Manifest(json: json, origin: "\(directory)/manifest.json")
        guard manifest.sourceBucket == store.configuration.bucket else {
            throw IcecoreError(.invalidData, "it is of the bucket '\(manifest.sourceBucket)'")
        }
        let paths = KeptInventory.fileNames(manifest).map { "\(directory)/data/\($0)" }
        for (path, file) in zip(paths, manifest.files) where try !InventorySource.isWhole(path, file) {
            throw IcecoreError(.invalidData, "its list file '\(path)' is damaged or not there")
        }
        return FetchedInventory(name: name, manifest: manifest, md5: MD5.digest(json), paths: paths)
    }

    /// The inventory of a snapshot from where it came, if it is still there and still the same.
    private func fetch(_ record: SnapshotRecord) throws -> FetchedInventory? {
        do {
            let source = try InventorySource(store, client)
            let found = try source.manifest(record.name)
            guard MD5.digest(found.json) == record.manifestMD5 else { return nil }
            let inventory = try source.fetch(record.name, found) { done, count in
                reporter.progress(.fetchingLists(done: done, of: count))
            }
            let policy = try Policy(
                metadataOnly: record.metadataOnly, filter: record.filter, permanentFilter: record.permanentFilter)
            let kept = try InventoryKeeper(store: store).keep(
                inventory, json: found.json, checksum: found.checksum, policy)
            for (path, file) in zip(kept.paths, kept.manifest.files) where try !InventorySource.isWhole(path, file) {
                return nil
            }
            return kept
        } catch let error as IcecoreError {
            if error.code == .interrupted || error.code == .noSpace { throw error }
            return nil
        }
    }

    // MARK: - The new index

    private func build(_ new: Store, _ inventories: [Source], _ recovery: IndexRecovery) throws {
        for suffix in ["", "-wal", "-shm"] { try Files.remove(new.indexPath + suffix) }
        _ = try IndexDatabase(path: new.indexPath)
        try recovery.copyFacts(into: new)
        for (number, source) in inventories.enumerated() {
            let (inventory, old) = source
            reporter.note("\(inventory.name) (\(number + 1) of \(inventories.count))")
            var policy =
                try old.map {
                    try Policy(metadataOnly: $0.metadataOnly, filter: $0.filter, permanentFilter: $0.permanentFilter)
                } ?? KeptInventory.policy(inventory.name, store)
            // What was synced before the store distrusted ETags may be there under its ETag alone.
            policy.distrustsETags =
                store.configuration.distrustETagsSince.map { since in
                    old.map { $0.syncedAt >= Timestamp(rfc3339: since) ?? .distantPast } ?? true
                } ?? false
            let reader = try new.reader()
            let point = Timeline.Point(
                id: Int64(number + 1), name: inventory.name, takenAt: inventory.manifest.created)
            let plan = try SyncPlan(new, policy, reader, point, reporter).merge(inventory) { try IndexWriter(new) }
            reader.end()
            let summary = plan.summary
            var record = SnapshotRecord(
                id: point.id, name: point.name, takenAt: point.takenAt, syncedAt: old?.syncedAt ?? .now(),
                manifestMD5: inventory.md5, policy: policy, rowCount: Int64(summary.rows - summary.duplicates),
                keys: Int64(summary.keys), bytes: summary.bytes)
            record.newVersions = Int64(summary.newVersions)
            record.newBytes = summary.newBytes
            _ = try plan.changes.commit(record)
        }
        try recovery.copyPruned(into: new)
    }

    /// Puts the new index into the place of the old one.
    ///
    /// - Returns: the path of the old one.
    private func exchange(_ new: Store) throws -> String? {
        if (Files.size("\(new.indexPath)-wal") ?? 0) > 0 {
            // Commits do not mind when the log stays: a disk that is full is one of the reasons.
            try Connection(new.indexPath, readOnly: false).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        }
        for suffix in ["-wal", "-shm"] {
            // SQLite takes them away when all has gone into the file itself.
            if suffix == "-wal", (Files.size(new.indexPath + suffix) ?? 0) > 0 {
                throw IcecoreError(.busy, "'\(new.indexPath)' is in use: nothing was changed")
            }
            try Files.remove(new.indexPath + suffix)
        }
        try File(new.indexPath, O_RDONLY).synchronize()
        // What a log beside the old index holds belongs into it, as far as that is possible.
        if let connection = try? Connection(store.indexPath, readOnly: false) {
            try? connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        }
        var kept: String?
        if Files.exists(store.indexPath) {
            try Files.createDirectory(store.quarantinePath)
            let time = Timestamp.now().rfc3339.replacing(":", with: "-")
            let path = "\(store.quarantinePath)/index-\(time).sqlite"
            try Files.remove(path)
            // Two names for a moment, so that there is an index at every moment.
            guard link(store.indexPath, path) == 0 else {
                throw IcecoreError.system("cannot keep the old index as", path, errno: errno)
            }
            if (Files.size("\(store.indexPath)-wal") ?? 0) > 0 {
                _ = link("\(store.indexPath)-wal", "\(path)-wal")
            }
            try Files.synchronizeDirectory(store.quarantinePath)
            kept = path
        }
        // A log that does not belong to the new index must not stand beside it, nor come back to it.
        for suffix in ["-wal", "-shm"] { try Files.remove(store.indexPath + suffix) }
        try Files.synchronizeDirectory(store.path)
        try Files.rename(new.indexPath, store.indexPath)
        try Files.synchronizeDirectory(store.path)
        return kept
    }
}
