import Basics
import Download
import Foundation
import Glibc
import Index
import Inventory
import Merge
import Model
import S3
import SQLite
import Store

/// Rebuilds the index of a store from the inventories that it keeps.
///
/// The new index is built beside the old one, which stays unchanged until the new one is complete and then moves to
/// `quarantine/`.
public final class Reindex {
    private let store: Store
    private let acceptsLoss: Bool
    private let reporter: SyncReporter
    private let client: S3Client

    /// - Parameter acceptsLoss: continues even if snapshots of the old index cannot be rebuilt.
    public init(_ store: Store, acceptsLoss: Bool, environment: [String: String], reporter: SyncReporter) throws {
        self.store = store
        self.acceptsLoss = acceptsLoss
        self.reporter = reporter
        client = try S3Client(store, environment: environment)
    }

    public func run() throws -> ReindexOutcome {
        let lock = try StoreLock(store, command: "icecore reindex")
        defer { withExtendedLifetime(lock) {} }
        try store.removeLeftovers()
        var outcome = ReindexOutcome()
        let recovery = IndexRecovery(store)
        for warning in recovery.warnings { reporter.warning(warning) }
        let inventories = try gather(recovery, &outcome)
        guard !inventories.isEmpty else {
            throw IcecoreError(
                .notFound, "the store keeps no inventory to rebuild the index from. Nothing was changed")
        }
        if !outcome.lost.isEmpty {
            let names = outcome.lost.joined(separator: ", ")
            guard acceptsLoss else {
                throw IcecoreError(
                    .notFound,
                    "\(outcome.lost.count.of("snapshot")) cannot be rebuilt, as the inventories were not kept: \(names). "
                        + "--accept-loss rebuilds the index without them. Nothing was changed")
            }
            reporter.warning("the new index lacks the snapshots whose inventories were not kept: \(names)")
        }
        var new = store
        new.indexPath = "\(store.indexPath).new"
        do {
            try build(new, inventories, recovery)
        } catch {
            for suffix in ["", "-wal", "-shm"] { unlink(new.indexPath + suffix) }
            try? ArrivedHeaders.remove(in: store.temporaryPath)
            throw error
        }
        outcome.rebuilt = inventories.map(\.inventory.name)
        outcome.oldIndex = try exchange(new)
        try ArrivedHeaders.remove(in: store.temporaryPath)
        var current = store
        try current.bringToCurrentFormat()
        try FactKeeper(store).fill()
        return outcome
    }

    // MARK: - The inventories

    private typealias Source = (inventory: FetchedInventory, record: SnapshotRecord?)

    /// All available inventories of the snapshots, in the order of their dates.
    private func gather(_ recovery: IndexRecovery, _ outcome: inout ReindexOutcome) throws -> [Source] {
        var found: [Source] = []
        let records = Dictionary(recovery.snapshots.map { ($0.name, $0) }) { first, _ in first }
        // Inventories that a sync fetched but did not commit are not snapshots: known only if all snapshots are.
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
            reporter.warning("the kept inventory \(damage.name) cannot be used: \(damage.reason)")
        }
        return found.sorted {
            ($0.inventory.manifest.created, $0.inventory.name) < ($1.inventory.manifest.created, $1.inventory.name)
        }
    }

    /// Opens a kept inventory and checks every file of it.
    private func open(_ name: String) throws -> FetchedInventory {
        let directory = "\(store.inventoriesPath)/\(name)"
        let json = try Files.read("\(directory)/manifest.json", limit: InventoryManifest.largestJSON)
        let checksum = try Files.read("\(directory)/manifest.checksum", limit: 4096)
        try InventoryManifest.check(json: json, checksum: checksum, origin: "\(directory)/manifest.json")
        let manifest = try InventoryManifest(
            json: json, origin: "\(directory)/manifest.json", named: InventoryName.timestamp(name))
        guard manifest.sourceBucket == store.configuration.listedBucket else {
            throw IcecoreError(.invalidData, "it lists the bucket '\(manifest.sourceBucket)'")
        }
        let paths = KeptInventory.fileNames(manifest).map { "\(directory)/data/\($0)" }
        for (path, file) in zip(paths, manifest.files) where try !InventorySource.isWhole(path, file) {
            throw IcecoreError(.invalidData, "its list file '\(path)' is damaged or missing")
        }
        return FetchedInventory(name: name, manifest: manifest, md5: MD5.digest(json), paths: paths)
    }

    /// Fetches the inventory of a snapshot from its source; nil if it is no longer there or no longer the same.
    private func fetch(_ record: SnapshotRecord) throws -> FetchedInventory? {
        do {
            let source = try InventorySource(store, client)
            let found = try source.manifest(record.name)
            guard found.md5 == record.manifestMD5 else { return nil }
            let inventory = try source.fetch(record.name, found) { done, count in
                reporter.progress(.fetchingLists(done: done, of: count))
            }
            let policy = try DownloadPolicy(
                metadataOnly: record.metadataOnly, filter: record.filter, permanentFilter: record.permanentFilter)
            let kept = try InventoryKeeper(store: store).keep(inventory, found, policy)
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
                    try DownloadPolicy(
                        metadataOnly: $0.metadataOnly, filter: $0.filter, permanentFilter: $0.permanentFilter)
                } ?? KeptInventory.policy(inventory.name, store)
            // Content synced before the store distrusted ETags may be stored under its ETag only.
            policy.distrustsETags =
                store.configuration.distrustETagsSince.map { since in
                    old.map { $0.syncedAt >= Timestamp(rfc3339: since) ?? .distantPast } ?? true
                } ?? false
            let reader = try new.reader()
            let point = Timeline.Point(
                id: Int64(number + 1), name: inventory.name, takenAt: inventory.manifest.created)
            let plan = try SyncPlan(new, policy, reader, point, reporter).merge(inventory) {
                try IndexWriter(new, keepsHeaders: true)
            }
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
        // Where they cannot be listed, what the old index says has to do.
        try (try? BlobCensus(new))?.record(in: new)
        try Interruption.check()
    }

    /// Gives a file a second name, or makes a copy where there are no links. Half a copy never has that name.
    private func keep(_ path: String, as second: String) throws {
        let part = "\(store.temporaryPath)/replaced-index"
        try Files.remove(part)
        try Files.duplicate(path, at: part, sharing: [.link, .clone])
        try Files.rename(part, second)
    }

    /// Replaces the old index with the new one.
    ///
    /// - Returns: the path of the old one.
    private func exchange(_ new: Store) throws -> String? {
        if (Files.size("\(new.indexPath)-wal") ?? 0) > 0 {
            // Commits tolerate a log that stays, for example because the disk is full.
            try Connection(new.indexPath, readOnly: false).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        }
        for suffix in ["-wal", "-shm"] {
            // SQLite deletes them once everything is in the file itself.
            if suffix == "-wal", (Files.size(new.indexPath + suffix) ?? 0) > 0 {
                throw IcecoreError(.busy, "'\(new.indexPath)' is in use: nothing was changed")
            }
            try Files.remove(new.indexPath + suffix)
        }
        try File(new.indexPath, O_RDONLY).synchronize()
        // Whatever a log beside the old index holds belongs in it, as far as possible.
        if let connection = try? Connection(store.indexPath, readOnly: false) {
            try? connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        }
        var kept: String?
        if Files.exists(store.indexPath) {
            try Files.createDirectory(store.quarantinePath)
            let time = Timestamp.now().rfc3339.replacing(":", with: "-")
            let path = "\(store.quarantinePath)/index-\(time).sqlite"
            // Two of them for a moment, so that there is an index at all times.
            try keep(store.indexPath, as: path)
            if (Files.size("\(store.indexPath)-wal") ?? 0) > 0 {
                try keep("\(store.indexPath)-wal", as: "\(path)-wal")
            }
            try Files.synchronizeDirectory(store.quarantinePath)
            kept = path
        }
        // A log that does not belong to the new index must not be beside it, nor return after a power cut.
        for suffix in ["-wal", "-shm"] { try Files.remove(store.indexPath + suffix) }
        try Files.synchronizeDirectory(store.path)
        try Files.rename(new.indexPath, store.indexPath)
        try Files.synchronizeDirectory(store.path)
        return kept
    }
}
