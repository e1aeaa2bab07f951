import Basics
import Blobs
import Glibc
import Model
import SQLite

/// The facts of a file, the latest of each content, in an unnamed SQLite file.
final class HeldFacts {
    private let connection: Connection
    private let insert: Statement
    private let delete: Statement

    /// - Parameter directory: the store's `tmp/`.
    init(directory: String) throws {
        let path = "\(directory)/facts-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600).close()
        connection = try Connection(path, readOnly: false)
        try connection.execute(
            """
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384; PRAGMA locking_mode = EXCLUSIVE;
            CREATE TABLE fact (etag TEXT, size INTEGER, line BLOB, PRIMARY KEY (etag, size)) WITHOUT ROWID;
            BEGIN
            """)
        // The connection keeps the file open; unlinking it ensures that nothing is left over.
        try Files.remove(path)
        insert = try connection.prepare("INSERT OR REPLACE INTO fact VALUES (?, ?, ?)")
        delete = try connection.prepare("DELETE FROM fact WHERE etag = ? AND size = ? AND line = ? RETURNING 1")
    }

    func add(_ fact: BlobFact) throws {
        try fact.line.withUnsafeBytes { line in
            insert.bind(blob: line, 3)
            try insert.run(fact.etag, fact.size)
        }
    }

    /// Takes out a fact; false if it is not there in this form.
    func remove(_ fact: BlobFact) throws -> Bool {
        var isThere = false
        try fact.line.withUnsafeBytes { line in
            try delete.run(texts: [(1, fact.etag.description)]) {
                delete.bind(2, fact.size)
                delete.bind(blob: line, 3)
                isThere = try delete.step()
                delete.reset()
            }
        }
        return isThere
    }

    /// Passes what is left to `body`.
    func forEach(_ body: (BlobFact) throws -> Void) throws {
        let select = try connection.prepare("SELECT line FROM fact")
        while try select.step() {
            if let fact = BlobFact(line: Array(select.bytes(0)).dropLast()) { try body(fact) }
        }
    }
}
