import Basics
import Blobs
import Index
import Merge
import Model
import SQLite

/// The second walk of a prune: writes its decisions, in one transaction.
final class PruneWriter: PruneVisitor {
    let changes: ChangeWriter
    private let contents: PruneContents
    private let blobs: Blobs
    private let connection: Connection
    private let applier: ChangeApplier
    private let deleteDirectory: Statement
    private let deleteFailure: Statement
    private let hasFailures: Bool
    private var removedDirectories = 0
    private var isOpen = true
    /// Whether there were facts about contents to forget.
    private(set) var hasForgottenFacts = false

    /// Begins the transaction.
    init(_ store: Store, _ contents: PruneContents) throws {
        self.contents = contents
        blobs = store.blobs
        connection = try Connection(store.indexPath, readOnly: false)
        try connection.execute(
            "PRAGMA cache_size = -65536; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE")
        applier = try ChangeApplier(
            connection, blobs: store.blobs, distrustsETags: store.configuration.distrustETagsSince != nil)
        changes = ChangeWriter(applier)
        deleteDirectory = try connection.prepare("DELETE FROM directory WHERE id = ?")
        deleteFailure = try connection.prepare("DELETE FROM failure WHERE key = ? AND versionId = ? AND etag = ?")
        hasFailures = try connection.prepare("SELECT 1 FROM failure LIMIT 1").step()
    }

    deinit {
        if isOpen { try? connection.execute("ROLLBACK") }
        checkpoint()
    }

    // MARK: - The walk

    func retains(_ row: borrowing EntryRow, prefix: [UInt8]) throws {
        try contents.strike(row, prefix: prefix)
    }

    func drops(_ version: StoredVersion, key: [UInt8], isRemoved: Bool) throws {
        let identity = version.evidence.identity
        guard hasFailures, let etag = identity.etag else { return }
        let filed = Array((identity.contentETag(key: key, version.flags) ?? etag).description.utf8)
        try key.withUnsafeBytes { key in
            try (identity.versionId ?? []).withUnsafeBytes { versionId in
                try filed.withUnsafeBytes { text in
                    deleteFailure.bind(text: key, 1)
                    deleteFailure.bind(text: versionId, 2)
                    deleteFailure.bind(text: text, 3)
                    try deleteFailure.run()
                }
            }
        }
    }

    func removes(directory: Int64) throws {
        removedDirectories += 1
        deleteDirectory.bind(1, directory)
        try deleteDirectory.run()
    }

    // MARK: - The commit

    /// Writes the records that go with what was dropped, and makes it all visible and durable at once.
    func commit(_ reader: IndexReader, _ outcome: PruneOutcome, dropped: [Int64], prefix: [UInt8]) throws {
        let now = Timestamp.now().milliseconds
        if removedDirectories > 0 { try rememberLargestDirectory(try reader.largestDirectory()) }
        try connection.addToTotal("versions", -Int64(outcome.droppedVersions))
        try connection.addToTotal("versionBytes", -outcome.droppedVersionBytes)
        try markDoomed()
        try forgetFacts(reader)
        try connection.execute(
            """
            DELETE FROM longName WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.directory = longName.directory
                AND entry.name = longName.name) AND NOT EXISTS (SELECT 1 FROM entry
                WHERE entry.directory = longName.directory AND entry.name = longName.name || '/')
            """)
        try connection.execute(
            """
            DELETE FROM headerSet WHERE EXISTS (SELECT 1 FROM headerSet LIMIT 1)
                AND id NOT IN (SELECT headers FROM entry WHERE headers IS NOT NULL)
            """)
        let mark = try connection.prepare("UPDATE snapshot SET prunedAt = ?2 WHERE id = ?1")
        for id in dropped {
            mark.bind(1, id)
            mark.bind(2, now)
            try mark.run()
        }
        let note = try connection.prepare(
            """
            INSERT INTO prune (prefix, horizon, prunedAt) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET horizon = max(horizon, excluded.horizon), prunedAt = excluded.prunedAt
            """)
        try prefix.withUnsafeBytes { bytes in
            note.bind(text: bytes, 1)
            note.bind(2, outcome.horizon.milliseconds)
            note.bind(3, now)
            try note.run()
        }
        try connection.renewDigests()
        try connection.execute("COMMIT")
        isOpen = false
    }

    /// Ids of directories are never reused: mounts identify directories by them.
    private func rememberLargestDirectory(_ id: Int64) throws {
        let statement = try connection.prepare("INSERT OR REPLACE INTO total (name, value) VALUES ('directories', ?)")
        statement.bind(1, id)
        try statement.run()
    }

    /// Adds the blobs to be removed to their table, and takes out those that a row names again.
    private func markDoomed() throws {
        var (count, bytes) = (Int64(0), Int64(0))
        var saved: [String] = []
        let old = try connection.prepare("SELECT name, size FROM doomed")
        while try old.step() {
            let name = String(decoding: old.bytes(0), as: UTF8.self)
            if try contents.isDoomed(name) { continue }
            saved.append(name)
            // An earlier prune may have removed it.
            guard let blob = BlobName(name), try blobs.find(blob) != nil else { continue }
            count += 1
            bytes = bytes.addingClamped(old.integer(1))
        }
        try forgetDoomed(saved, inTransaction: true)
        let insert = try connection.prepare("INSERT OR IGNORE INTO doomed (name, size) VALUES (?, ?) RETURNING 1")
        try contents.forEachDoomed { name, size in
            try insert.run(texts: [(1, name)]) {
                insert.bind(2, size)
                if try insert.step() {
                    count -= 1
                    bytes -= size
                }
                insert.reset()
            }
        }
        try connection.addToTotal("blobs", count)
        try connection.addToTotal("blobBytes", bytes)
    }

    /// Deletes what the index knows about contents that go.
    private func forgetFacts(_ reader: IndexReader) throws {
        guard try connection.prepare("SELECT 1 FROM blob LIMIT 1").step() else { return }
        hasForgottenFacts = true
        let delete = try connection.prepare("DELETE FROM blob WHERE etag = ? AND size = ?")
        try contents.forEach { etag, size in
            // What stays in a pack can be taken up again, and has to be checked until then.
            if try !contents.stays(etag, size, reader) { try delete.run(etag, size) }
        }
    }

    // MARK: - The blobs

    /// Forgets blobs that were removed.
    func forgetDoomed(_ names: [String]) throws {
        try forgetDoomed(names, inTransaction: false)
    }

    private func forgetDoomed(_ names: [String], inTransaction: Bool) throws {
        if !inTransaction { try connection.execute("BEGIN IMMEDIATE") }
        let delete = try connection.prepare("DELETE FROM doomed WHERE name = ?")
        for name in names { try delete.run(texts: [(1, name)]) { try delete.run() } }
        if !inTransaction { try connection.execute("COMMIT") }
    }

    /// Checkpoints the write-ahead log as far as readers allow.
    func checkpoint() {
        connection.busyTimeout(milliseconds: 0)
        try? connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        try? connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    }
}
