import Basics
import Glibc
import SQLite
import Store
import Synchronization

/// A database of what a store knows of a place that it writes to, and of what an interrupted run may have left there.
///
/// It can be deleted. A copy of the file counts for nothing: it belongs to another store, or is out of date, and what it
/// calls under way may be the work of another process. May be used from any thread, by one process at a time.
package final class TargetRecords: UploadJournal, @unchecked Sendable {
    // Everything below is only touched under the lock.
    private let mutex = Mutex<Void>(())
    private let connection: Connection
    private let lock: File
    private let putUpload: Statement
    private let deleteUpload: Statement
    private var isOpen = false
    private var changes = 0
    private static let mostChanges = 20_000

    /// Opens the records, or creates them.
    ///
    /// - Parameters:
    ///   - folder: of the store.
    ///   - id: of the place: lower-case letters, digits and `-`.
    ///   - tables: what to create unless it is there.
    ///   - busy: what to say while another process has them, without its name.
    package init(
        _ store: Store, folder: String, id: String, tables: [(name: String, columns: String)], further: String = "",
        busy: (_ holder: String) -> String
    ) throws {
        guard (1...64).contains(id.utf8.count),
            id.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) || $0 == 45 })
        else { throw IcecoreError(.damaged, "the ID '\(Display.text(id, limit: 100))' is malformed") }
        let directory = "\(store.path)/\(folder)"
        try Files.createDirectory(directory)
        let path = "\(directory)/\(id).sqlite"
        lock = try File("\(directory)/\(id).lock", O_RDWR | O_CREAT)
        guard try FileLock.exclusive.acquireNow(lock) else {
            throw IcecoreError(.busy, busy(LockHolder.of(lock).map { ", \($0)," } ?? ""))
        }
        if Files.size(path) == nil {
            try File(path, O_RDWR | O_CREAT).close()
            try Files.synchronizeDirectory(directory)
        }
        connection = try Connection(path, readOnly: false)
        let tables =
            tables + [("fact", "name TEXT PRIMARY KEY, value TEXT"), ("upload", "path TEXT PRIMARY KEY, id TEXT")]
        let creation = tables.map { "CREATE TABLE IF NOT EXISTS \($0.name) (\($0.columns)) WITHOUT ROWID;" }
        try connection.execute(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; "
                + creation.joined(separator: " ") + further)
        try TargetRecords.forgetUnlessOriginal(connection, path, tables.map(\.name))
        putUpload = try connection.prepare("INSERT OR REPLACE INTO upload VALUES (?, ?)")
        deleteUpload = try connection.prepare("DELETE FROM upload WHERE path = ?")
    }

    /// Discards what a copied store has copied; the inode number gives the copy away.
    private static func forgetUnlessOriginal(_ connection: Connection, _ path: String, _ tables: [String]) throws {
        var status = stat()
        guard stat(path, &status) == 0 else { throw IcecoreError.system("cannot examine", path, errno: errno) }
        let inode = String(status.st_ino)
        let known = try connection.prepare("SELECT value FROM fact WHERE name = 'inode'")
        let old = try known.step() ? String(decoding: known.bytes(0), as: UTF8.self) : nil
        known.reset()
        if old == inode { return }
        try connection.execute(
            "BEGIN; " + tables.map { "DELETE FROM \($0); " }.joined()
                + "INSERT INTO fact VALUES ('inode', '\(inode)'); COMMIT")
    }

    /// Makes what was recorded durable.
    package func commit() throws {
        try mutex.withLock { _ in try commitNow() }
    }

    private func commitNow() throws {
        guard isOpen else { return }
        isOpen = false
        changes = 0
        try connection.execute("COMMIT")
    }

    /// Compiles a statement for ``change(_:)`` and ``read(_:)``.
    package func prepare(_ sql: String) throws -> Statement {
        try mutex.withLock { _ in try connection.prepare(sql) }
    }

    /// Runs what changes the records; ``commit()`` makes it durable, or one of the changes that follow.
    package func change<Result>(_ body: (Connection) throws -> Result) throws -> Result {
        try mutex.withLock { _ in
            if !isOpen {
                try connection.execute("BEGIN")
                isOpen = true
            }
            let result = try body(connection)
            changes += 1
            if changes >= TargetRecords.mostChanges { try commitNow() }
            return result
        }
    }

    /// Runs what reads the records.
    package func read<Result>(_ body: (Connection) throws -> Result) throws -> Result {
        try mutex.withLock { _ in try body(connection) }
    }

    // MARK: - Uploads

    /// Durable when this returns.
    package func willBegin(_ path: String) throws {
        try put(path, id: nil)
        try commit()
    }

    /// Several uploads are about to begin. Durable when this returns.
    package func willBegin(_ paths: [String]) throws {
        for path in paths { try put(path, id: nil) }
        try commit()
    }

    /// Durable when this returns.
    package func didBegin(_ path: String, id: String) throws {
        try put(path, id: id)
        try commit()
    }

    private func put(_ path: String, id: String?) throws {
        try change { _ in try putUpload.run(texts: [(1, path), (2, id)]) { try putUpload.run() } }
    }

    package func didEnd(_ path: String) throws {
        try change { _ in try deleteUpload.run(texts: [(1, path)]) { try deleteUpload.run() } }
    }

    /// The uploads in parts that may not have ended; no ID: it is unknown whether the upload began.
    package func unfinishedUploads() throws -> [(path: String, id: String?)] {
        try read { connection in
            let statement = try connection.prepare("SELECT path, id FROM upload ORDER BY path")
            var found: [(String, String?)] = []
            while try statement.step() {
                found.append(
                    (
                        String(decoding: statement.bytes(0), as: UTF8.self),
                        statement.isNull(1) ? nil : String(decoding: statement.bytes(1), as: UTF8.self)
                    ))
            }
            return found
        }
    }
}
