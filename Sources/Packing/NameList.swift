import Basics
import Glibc
import SQLite

/// Names of blobs, in an unnamed file: any number of them takes little memory.
final class NameList {
    private let connection: Connection
    private let insert: Statement
    private let exists: Statement
    private let select: Statement

    /// - Parameter directory: the store's `tmp/`.
    init(in directory: String) throws {
        let path = "\(directory)/names-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600).close()
        connection = try Connection(path, readOnly: false, isPrivate: true)
        try connection.execute(
            """
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; PRAGMA locking_mode = EXCLUSIVE;
            BEGIN;
            CREATE TABLE blob (name TEXT PRIMARY KEY) WITHOUT ROWID
            """)
        // The connection keeps the file open; unlinking it ensures that nothing is left over.
        try Files.remove(path)
        insert = try connection.prepare("INSERT OR IGNORE INTO blob VALUES (?)")
        exists = try connection.prepare("SELECT 1 FROM blob WHERE name = ?")
        select = try connection.prepare("SELECT name FROM blob")
    }

    func append(_ name: String) throws {
        try insert.run(texts: [(1, name)]) { try insert.run() }
    }

    func contains(_ name: String) throws -> Bool {
        var isThere = false
        try exists.run(texts: [(1, name)]) {
            isThere = try exists.step()
            exists.reset()
        }
        return isThere
    }

    func forEach(_ body: (String) throws -> Void) throws {
        defer { select.reset() }
        while try select.step() { try body(String(decoding: select.bytes(0), as: UTF8.self)) }
    }

    func removeAll() throws {
        try connection.execute("DELETE FROM blob")
    }
}
