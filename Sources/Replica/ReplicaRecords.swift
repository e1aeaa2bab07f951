import Basics
import Glibc
import SQLite
import Store
import Synchronization

/// What a store knows of one of its replicas: the blobs that are there, and what an interrupted push may have left.
///
/// In `replicas/<id>.sqlite`; it can be deleted: the next push reads the replica's manifest, and sends again what that does
/// not name. A copy of the file is another store's, or an older one, and counts for nothing: what it says was done, others
/// have done or may be doing. May be used from any thread, one push at a time.
public final class ReplicaRecords: @unchecked Sendable {
    /// How much is known of a blob at the replica.
    public enum Standing: Int64, Sendable {
        /// The replica's manifest names it.
        case listed = 0
        /// It was sent, and no manifest names it yet.
        case sent = 1
        /// It may have been sent.
        case intended = 2
    }

    // Everything below is only touched under the lock.
    private let mutex = Mutex<Void>(())
    private let connection: Connection
    private let lock: File
    private let selectHeld: Statement
    private let putHeld: Statement
    private let deleteHeld: Statement
    private var isOpen = false
    private var changes = 0
    private static let mostChanges = 20_000

    /// Opens the records, or begins them.
    ///
    /// - Parameter id: of the replica, as its own document says.
    /// - Throws: `busy` while another process pushes to the same replica.
    public init(_ store: Store, replicaId id: String) throws {
        guard (1...64).contains(id.utf8.count),
            id.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) || $0 == 45 })
        else { throw IcecoreError(.damaged, "the replica's id is none") }
        let directory = "\(store.path)/replicas"
        try Files.createDirectory(directory)
        let path = "\(directory)/\(id).sqlite"
        lock = try File("\(directory)/\(id).lock", O_RDWR | O_CREAT)
        guard try FileLock.exclusive.acquireNow(lock) else {
            throw IcecoreError(.busy, "another push of this store to the same replica is running: wait for it")
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
        selectHeld = try connection.prepare("SELECT standing FROM held WHERE name = ?")
        putHeld = try connection.prepare("INSERT OR REPLACE INTO held VALUES (?, ?)")
        deleteHeld = try connection.prepare("DELETE FROM held WHERE name = ?")
    }

    /// A copied store has copies of its records; the number of the file says so.
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

    /// Makes durable what was recorded.
    public func commit() throws {
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

    /// The directory of the snapshot whose manifest the listed blobs are from; nil: none.
    public var base: String? {
        get throws { try fact("base") }
    }

    public func setBase(_ base: String?) throws {
        try setFact("base", base ?? "")
    }

    /// The directory of the snapshot by which this store has announced deletions and then made all of them.
    public var deleted: String? {
        get throws { try fact("deleted") }
    }

    public func setDeleted(_ snapshot: String) throws {
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

    public func standing(_ name: String) throws -> Standing? {
        try mutex.withLock { _ in
            var found: Standing?
            try selectHeld.run(texts: [(1, name)]) {
                if try selectHeld.step() { found = Standing(rawValue: selectHeld.integer(0)) }
                selectHeld.reset()
            }
            return found
        }
    }

    public func set(_ name: String, _ standing: Standing) throws {
        try change {
            try putHeld.run(texts: [(1, name)]) {
                putHeld.bind(2, standing.rawValue)
                try putHeld.run()
            }
        }
    }

    public func forget(_ name: String) throws {
        try change { try deleteHeld.run(texts: [(1, name)]) { try deleteHeld.run() } }
    }

    /// Forgets the blobs of a manifest that is no longer the newest.
    public func forgetListed() throws {
        try change { try connection.execute("DELETE FROM held WHERE standing = 0") }
    }

    /// What was sent by an earlier attempt, and that no manifest names, may have been removed by others since.
    public func doubtSent() throws {
        try change { try connection.execute("UPDATE held SET standing = 2 WHERE standing = 1") }
    }

    /// Everything that was sent is in the manifest now.
    public func listSent() throws {
        try change { try connection.execute("UPDATE held SET standing = 0 WHERE standing = 1") }
    }

    /// Gives names to `body`, in their order.
    ///
    /// - Parameter fresh: only those that no manifest names.
    public func forEachName(fresh: Bool, _ body: (String, Standing) throws -> Void) throws {
        try commit()
        var last = ""
        while true {
            // Piece by piece: what is called may record something.
            let piece = try mutex.withLock { _ in try names(after: last, fresh) }
            for (name, standing) in piece { try body(name, standing) }
            guard let end = piece.last else { return }
            last = end.0
        }
    }

    private func names(after last: String, _ fresh: Bool) throws -> [(String, Standing)] {
        let statement = try connection.prepare(
            "SELECT name, standing FROM held \(fresh ? "INDEXED BY fresh" : "") WHERE name > ? "
                + "\(fresh ? "AND standing > 0" : "") ORDER BY name LIMIT 1000")
        var found: [(String, Standing)] = []
        try statement.run(texts: [(1, last)]) {
            while try statement.step() {
                guard let standing = Standing(rawValue: statement.integer(1)) else { continue }
                found.append((String(decoding: statement.bytes(0), as: UTF8.self), standing))
            }
            statement.reset()
        }
        return found
    }

    /// How many blobs are known to be there, listed or sent.
    public func count() throws -> Int64 {
        try mutex.withLock { _ in
            let statement = try connection.prepare("SELECT count(*) FROM held WHERE standing < 2")
            return try statement.step() ? statement.integer(0) : 0
        }
    }

    // MARK: - What may be left behind

    /// An object is about to be written that nothing names yet. Durable when this returns.
    public func willWrite(_ paths: [String]) throws {
        for path in paths {
            try change {
                let statement = try connection.prepare("INSERT OR IGNORE INTO object VALUES (?)")
                try statement.run(texts: [(1, path)]) { try statement.run() }
            }
        }
        try commit()
    }

    /// The objects that were about to be written, in the order of their paths. There are few of them for each push.
    public func writtenObjects() throws -> [String] {
        try mutex.withLock { _ in
            let statement = try connection.prepare("SELECT path FROM object ORDER BY path")
            var found: [String] = []
            while try statement.step() { found.append(String(decoding: statement.bytes(0), as: UTF8.self)) }
            return found
        }
    }

    public func forgetObjects(_ paths: [String]) throws {
        for path in paths {
            try change {
                let statement = try connection.prepare("DELETE FROM object WHERE path = ?")
                try statement.run(texts: [(1, path)]) { try statement.run() }
            }
        }
        try commit()
    }

    /// An upload in parts is about to begin, or has begun with this id. Durable when this returns.
    public func willUpload(_ path: String, id: String?) throws {
        try change {
            let statement = try connection.prepare("INSERT OR REPLACE INTO upload VALUES (?, ?)")
            try statement.run(texts: [(1, path), (2, id)]) { try statement.run() }
        }
        try commit()
    }

    public func forgetUpload(_ path: String) throws {
        try change {
            let statement = try connection.prepare("DELETE FROM upload WHERE path = ?")
            try statement.run(texts: [(1, path)]) { try statement.run() }
        }
    }

    /// The uploads in parts that were begun.
    public func unfinishedUploads() throws -> [(path: String, id: String?)] {
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
