import Basics
import Blobs
import Foundation
import Index
import Model
import SQLite

/// Applies a merge's changes in one transaction, on its own thread, while the merge continues. Readers see nothing of
/// it before ``commit(_:)``; if the process ends before that, it is rolled back.
public final class IndexWriter: ChangeSink {
    /// How many rows that requested their blob found it, did not, and never will. Archived contents are none of these.
    public struct Outcome: Sendable {
        public var present = 0
        public var missing = 0
        public var gone = 0
    }

    private let connection: Connection
    private let applier: ChangeApplier
    private let blobs: Blobs
    private let temporary: String
    private let keepsHeaders: Bool
    /// The sum of the rows' digests before this transaction.
    private let digest: UInt64
    private let full = Channel<ChangeBuffer>(limit: 8)
    private let empty = Channel<ChangeBuffer>(limit: 16)
    private let finished = DispatchSemaphore(value: 0)
    private let worker: Worker
    private var isOpen = true

    /// State shared by the thread and its owner: the failure is read only after `finished`.
    private final class Worker: @unchecked Sendable {
        let applier: ChangeApplier
        var failure: (any Error)?
        init(_ applier: ChangeApplier) { self.applier = applier }
    }

    /// Begins the transaction.
    ///
    /// - Parameters:
    ///   - distrustsETags: every version has its own content.
    ///   - temporary: the directory in which headers wait that have come.
    ///   - keepsHeaders: they go on waiting, for further commits.
    public init(
        indexPath: String, blobs: Blobs, distrustsETags: Bool, temporary: String, keepsHeaders: Bool = false
    ) throws {
        self.blobs = blobs
        self.temporary = temporary
        self.keepsHeaders = keepsHeaders
        connection = try Connection(indexPath, readOnly: false)
        // Pages are written once, when they leave this cache: in key order, nearly all are full by then.
        try connection.execute(
            "PRAGMA cache_size = -65536; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE")
        // Computed for an index that predates digests.
        digest = try connection.storedSum(RowDigest.entries) ?? connection.sumOfEntries()
        let headers = try ArrivedHeaders.left(in: temporary)
        // Whatever has come has come before.
        try headers?.freeze()
        applier = try ChangeApplier(connection, blobs: blobs, distrustsETags: distrustsETags, headers: headers)
        worker = Worker(applier)
        for _ in 0..<8 { empty.send(ChangeBuffer()) }
        let (worker, full, empty, finished) = (worker, full, empty, finished)
        do {
            try SystemThread.detach("index-writer") {
                while let buffer = full.receive() {
                    do {
                        if worker.failure == nil { empty.send(try worker.applier.take(buffer)) }
                    } catch {
                        worker.failure = error
                        // The merge must not wait for ever for an empty buffer.
                        full.close()
                        empty.close()
                    }
                }
                finished.signal()
            }
        } catch {
            // The rollback waits for this signal.
            finished.signal()
            throw error
        }
    }

    deinit {
        rollback()
    }

    public func take(_ buffer: ChangeBuffer) throws -> ChangeBuffer {
        if full.send(buffer), let next = empty.receive() { return next }
        finished.wait()
        finished.signal()
        throw worker.failure ?? IcecoreError(.damaged, "the index is no longer written to")
    }

    /// Waits until everything is applied, adds the snapshot, and makes it all visible and durable at once.
    ///
    /// - Parameter record: nil if only blobs of known snapshots were fetched, by whatever version.
    public func commit(_ record: SnapshotRecord?) throws -> Outcome {
        full.close()
        finished.wait()
        finished.signal()
        if let failure = worker.failure { throw failure }
        if let record {
            try insert(record)
            try connection.addToTotal("versions", record.newVersions)
            try connection.addToTotal("versionBytes", record.newBytes)
        }
        let came = try noticeBlobsThatCame(anywhere: record == nil)
        try forgetFailuresThatPassed()
        if applier.present + came > 0 { try blobs.synchronize() }
        try connection.store(sum: digest &+ applier.digest, RowDigest.entries)
        try connection.store(sum: try connection.sumOfSnapshots(), RowDigest.snapshots)
        try connection.execute("COMMIT")
        isOpen = false
        // Should they stay, the next commit writes the same again.
        if !keepsHeaders { try? ArrivedHeaders.remove(in: temporary) }
        // Do not wait for readers, which may hold the log for a while: the rest will be checkpointed later.
        connection.busyTimeout(milliseconds: 0)
        try? connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        try? connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Outcome(present: applier.present, missing: applier.missing, gone: applier.gone)
    }

    /// Undoes everything; harmless after a commit.
    public func rollback() {
        full.close()
        finished.wait()
        finished.signal()
        guard isOpen else { return }
        isOpen = false
        try? connection.execute("ROLLBACK")
        // The discarded write-ahead log may be taking up just the space that a full disk lacks.
        connection.busyTimeout(milliseconds: 0)
        try? connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    private func insert(_ record: SnapshotRecord) throws {
        let statement = try connection.prepare(
            """
            INSERT OR REPLACE INTO snapshot (id, name, takenAt, syncedAt, manifestMD5, metadataOnly, filter,
                permanentFilter, rowCount, keys, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        statement.bind(1, record.id)
        statement.bind(3, record.takenAt.milliseconds)
        statement.bind(4, record.syncedAt.milliseconds)
        statement.bind(6, record.metadataOnly ? 1 : 0)
        statement.bind(9, record.rowCount)
        statement.bind(10, record.keys)
        statement.bind(11, record.bytes)
        try statement.run(texts: [(2, record.name), (7, record.filter), (8, record.permanentFilter)]) {
            try record.manifestMD5.withUnsafeBytes { bytes in
                statement.bind(blob: bytes, 5)
                try statement.run()
            }
        }
    }

    /// Updates rows whose content has arrived under another key: those that expect it, and those that could not have it.
    ///
    /// - Parameter anywhere: look for every such content, rather than those that changed rows have found.
    /// - Returns: the number of rows.
    private func noticeBlobsThatCame(anywhere: Bool) throws -> Int {
        let missing = try notice("INDEXED BY missing WHERE \(EntryRow.Flags.isWithoutBlob)") { _, _ in true }
        guard anywhere || !applier.arrived.isEmpty else { return missing }
        // What a prune has dropped stays dropped.
        let condition = "\(EntryRow.Flags.isAbsent) AND \(EntryRow.Flags.condition(none: [.pruned, .marker]))"
        return try missing
            + notice("INDEXED BY absent WHERE \(condition)") { etag, size in
                anywhere || applier.arrived.mayHave(etag, size)
            }
    }

    /// Updates rows whose content is in the store.
    ///
    /// - Parameter isWorthLooking: whether it may be.
    private func notice(_ rows: String, _ isWorthLooking: (ETag, Int64) -> Bool) throws -> Int {
        let columns = try connection.entryColumns(withDirectory: true)
        let absent = try connection.prepare("SELECT \(columns) FROM entry \(rows)")
        let names = try DirectoryNames(connection)
        let update = try connection.prepare(
            """
            UPDATE entry SET flags = (flags | \(EntryRow.Flags.present.union(.expected).rawValue))
                & ~\(EntryRow.Flags.absence.rawValue)
            WHERE directory = ? AND name = ? AND slot = ?
            """)
        var count = 0
        var isComplete = false
        while !isComplete {
            // The writes remove rows from the index being scanned, so reading and writing alternate.
            var found: [(directory: Int64, name: [UInt8], slot: Int64)] = []
            isComplete = true
            while try absent.step() {
                let row = EntryRow(absent)
                let directory = absent.integer(EntryRow.directoryColumn)
                guard let etag = try row.contentETag(prefix: try names.prefix(of: directory) ?? []),
                    isWorthLooking(etag, row.size), try applier.findBlob(etag: etag, size: row.size)
                else { continue }
                found.append((directory, Array(row.name), row.slot))
                if found.count == 10_000 {
                    isComplete = false
                    break
                }
            }
            absent.reset()
            for row in found {
                try row.name.withUnsafeBytes { name in
                    update.bind(1, row.directory)
                    update.bind(text: name, 2)
                    update.bind(3, row.slot)
                    try update.run()
                }
            }
            count += found.count
        }
        return count
    }

    /// Failures matter only while their blob is missing.
    private func forgetFailuresThatPassed() throws {
        let failures = try connection.prepare("SELECT key, versionId, etag, size FROM failure")
        let delete = try connection.prepare("DELETE FROM failure WHERE key = ? AND versionId = ? AND etag = ?")
        while try failures.step() {
            let etag = ETag(Array(failures.bytes(2)))
            let size = failures.integer(3)
            let found = try applier.findBlob(etag: etag, size: size)
            guard found else { continue }
            delete.bind(text: failures.bytes(0), 1)
            delete.bind(text: failures.bytes(1), 2)
            delete.bind(text: failures.bytes(2), 3)
            try delete.run()
        }
    }
}
