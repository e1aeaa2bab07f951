import Basics
import Glibc
import SQLite
import Store
import Synchronization

/// What a store knows about one of its replicas: the blobs that are there, and what an interrupted push may have left.
///
/// In `replicas/<id>.sqlite`. It can be deleted: the next push reads the replica's manifest, and sends what that does
/// not name. A copy of the file counts for nothing: it belongs to another store, or is out of date, and what it calls
/// under way may be the work of another push. May be used from any thread, by one push at a time.
final class ReplicaRecords: UploadJournal, @unchecked Sendable {
    /// What is known about a blob at the replica. The raw values are part of the format.
    enum BlobState: Int64, Sendable {
        /// The replica's manifest names it.
        case listed = 0
        /// It is there, and no manifest names it yet.
        case uploaded = 1
        /// It may be there: an upload was about to begin, or others may have removed it since.
        case unconfirmed = 2
    }

    // Everything below is only touched under the lock.
    private let mutex = Mutex<Void>(())
    private let connection: Connection
    private let lock: File
    private let selectState: Statement
    private let putState: Statement
    private let deleteState: Statement
    private var isOpen = false
    private var changes = 0
    private static let mostChanges = 20_000

    /// Opens the records, or creates them.
    ///
    /// - Parameter id: of the replica, as its own document says.
    /// - Throws: `busy` while another process pushes to the same replica.
    init(_ store: Store, replicaId id: String) throws {
        guard (1...64).contains(id.utf8.count),
            id.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) || $0 == 45 })
        else { throw IcecoreError(.damaged, "the ID of the replica is malformed") }
        let directory = "\(store.path)/replicas"
        try Files.createDirectory(directory)
        let path = "\(directory)/\(id).sqlite"
        lock = try File("\(directory)/\(id).lock", O_RDWR | O_CREAT)
        guard try FileLock.exclusive.acquireNow(lock) else {
            let holder = LockHolder.of(lock).map { ", \($0)," } ?? ""
            throw IcecoreError(
                .busy, "another push of this store to the same replica\(holder) is running: wait for it")
        }
        if Files.size(path) == nil {
            try File(path, O_RDWR | O_CREAT, mode: 0o600).close()
            try Files.synchronizeDirectory(directory)
        }
        connection = try Connection(path, readOnly: false)
        try connection.execute(
            """
            PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;
            CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS held (name TEXT PRIMARY KEY, standing INTEGER) WITHOUT ROWID;
            CREATE INDEX IF NOT EXISTS fresh ON held (name) WHERE standing > 0;
            CREATE TABLE IF NOT EXISTS object (path TEXT PRIMARY KEY) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS upload (path TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID;
            """)
        try ReplicaRecords.forgetUnlessOriginal(connection, path)
        selectState = try connection.prepare("SELECT standing FROM held WHERE name = ?")
        putState = try connection.prepare("INSERT OR REPLACE INTO held VALUES (?, ?)")
        deleteState = try connection.prepare("DELETE FROM held WHERE name = ?")
    }

    /// Discards what a copied store has copied; the inode number gives the copy away.
    private static func forgetUnlessOriginal(_ connection: Connection, _ path: String) throws {
        var status = stat()
        guard stat(path, &status) == 0 else { throw IcecoreError.system("cannot examine", path, errno: errno) }
        let inode = String(status.st_ino)
        let known = try connection.prepare("SELECT value FROM fact WHERE name = 'inode'")
        let old = try known.step() ? String(decoding: known.bytes(0), as: UTF8.self) : nil
        known.reset()
        if old == inode { return }
        try connection.execute(
            "BEGIN; DELETE FROM held; DELETE FROM object; DELETE FROM upload; DELETE FROM fact; "
                + "INSERT INTO fact VALUES ('inode', '\(inode)'); COMMIT")
    }

    /// Makes what was recorded durable.
    func commit() throws {
        try mutex.withLock { _ in try commitNow() }
    }

    private func commitNow() throws {
        guard isOpen else { return }
        isOpen = false
        changes = 0
        try connection.execute("COMMIT")
    }

    private func change<Result>(_ body: () throws -> Result) throws -> Result {
        try mutex.withLock { _ in
            if !isOpen {
                try connection.execute("BEGIN")
                isOpen = true
            }
            let result = try body()
            changes += 1
            if changes >= ReplicaRecords.mostChanges { try commitNow() }
            return result
        }
    }

    // MARK: - Facts

    /// The directory of the snapshot whose manifest names the listed blobs; nil: none.
    var baseSnapshot: String? {
        get throws { try fact("base") }
    }

    func setBaseSnapshot(_ snapshot: String?) throws {
        try setFact("base", snapshot ?? "")
    }

    /// The directory of the last snapshot whose announced deletions this store has all carried out; nil: none.
    var deletionsDoneSnapshot: String? {
        get throws { try fact("deleted") }
    }

    func setDeletionsDone(_ snapshot: String) throws {
        try setFact("deleted", snapshot)
    }

    private func fact(_ name: String) throws -> String? {
        try mutex.withLock { _ in
            let statement = try connection.prepare("SELECT value FROM fact WHERE name = '\(name)'")
            return try statement.step() ? String(decoding: statement.bytes(0), as: UTF8.self) : nil
        }
    }

    private func setFact(_ name: String, _ value: String) throws {
        try change {
            let statement = try connection.prepare("INSERT OR REPLACE INTO fact VALUES ('\(name)', ?)")
            try statement.run(texts: [(1, value)]) { try statement.run() }
        }
    }

    // MARK: - Blobs

    /// Nil: nothing is known of the blob.
    func state(of name: String) throws -> BlobState? {
        try mutex.withLock { _ in
            var found: BlobState?
            try selectState.run(texts: [(1, name)]) {
                if try selectState.step() { found = BlobState(rawValue: selectState.integer(0)) }
                selectState.reset()
            }
            return found
        }
    }

    func set(_ name: String, _ state: BlobState) throws {
        try change {
            try putState.run(texts: [(1, name)]) {
                putState.bind(2, state.rawValue)
                try putState.run()
            }
        }
    }

    func forget(_ name: String) throws {
        try change { try deleteState.run(texts: [(1, name)]) { try deleteState.run() } }
    }

    /// Forgets the blobs of a manifest that is no longer the newest.
    func forgetListed() throws {
        try change { try connection.execute("DELETE FROM held WHERE standing = 0") }
    }

    /// Blobs that an earlier attempt has uploaded, and no manifest names, may have been removed by others since.
    func unconfirmUploaded() throws {
        try change { try connection.execute("UPDATE held SET standing = 2 WHERE standing = 1") }
    }

    /// The manifest names everything that was uploaded now.
    func listUploaded() throws {
        try change { try connection.execute("UPDATE held SET standing = 0 WHERE standing = 1") }
    }

    /// Calls `body` with each blob, ordered by name.
    ///
    /// - Parameter unlistedOnly: only those that no manifest names.
    func forEachBlob(unlistedOnly: Bool = false, _ body: (String, BlobState) throws -> Void) throws {
        try commit()
        var last = ""
        while true {
            // Piece by piece: `body` may record something.
            let piece = try mutex.withLock { _ in try blobs(after: last, unlistedOnly) }
            for (name, state) in piece { try body(name, state) }
            guard let end = piece.last else { return }
            last = end.0
        }
    }

    private func blobs(after last: String, _ unlistedOnly: Bool) throws -> [(String, BlobState)] {
        let statement = try connection.prepare(
            "SELECT name, standing FROM held \(unlistedOnly ? "INDEXED BY fresh" : "") WHERE name > ? "
                + "\(unlistedOnly ? "AND standing > 0" : "") ORDER BY name LIMIT 1000")
        var found: [(String, BlobState)] = []
        try statement.run(texts: [(1, last)]) {
            while try statement.step() {
                guard let state = BlobState(rawValue: statement.integer(1)) else { continue }
                found.append((String(decoding: statement.bytes(0), as: UTF8.self), state))
            }
            statement.reset()
        }
        return found
    }

    // MARK: - What an interrupted push may leave

    /// Objects that nothing names yet are about to be written. Durable when this returns.
    func willWrite(_ paths: [String]) throws {
        for path in paths {
            try change {
                let statement = try connection.prepare("INSERT OR IGNORE INTO object VALUES (?)")
                try statement.run(texts: [(1, path)]) { try statement.run() }
            }
        }
        try commit()
    }

    /// The objects that were about to be written, ordered by path: a few for each push.
    func writtenObjects() throws -> [String] {
        try mutex.withLock { _ in
            let statement = try connection.prepare("SELECT path FROM object ORDER BY path")
            var found: [String] = []
            while try statement.step() { found.append(String(decoding: statement.bytes(0), as: UTF8.self)) }
            return found
        }
    }

    func forgetObjects(_ paths: [String]) throws {
        for path in paths {
            try change {
                let statement = try connection.prepare("DELETE FROM object WHERE path = ?")
                try statement.run(texts: [(1, path)]) { try statement.run() }
            }
        }
        try commit()
    }

    /// Durable when this returns.
    func willBegin(_ path: String) throws { try putUpload(path, id: nil) }

    /// Durable when this returns.
    func didBegin(_ path: String, id: String) throws { try putUpload(path, id: id) }

    private func putUpload(_ path: String, id: String?) throws {
        try change {
            let statement = try connection.prepare("INSERT OR REPLACE INTO upload VALUES (?, ?)")
            try statement.run(texts: [(1, path), (2, id)]) { try statement.run() }
        }
        try commit()
    }

    func didEnd(_ path: String) throws {
        try change {
            let statement = try connection.prepare("DELETE FROM upload WHERE path = ?")
            try statement.run(texts: [(1, path)]) { try statement.run() }
        }
    }

    /// The uploads in parts that may not have ended; no ID: it is unknown whether the upload began.
    func unfinishedUploads() throws -> [(path: String, id: String?)] {
        try mutex.withLock { _ in
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
