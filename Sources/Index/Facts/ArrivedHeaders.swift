import Basics
import Glibc
import Model
import SQLite

/// The headers that a sync has got, until its commit writes them into rows: a file of its own, so that the index does not
/// grow by what is dropped again. A sync that is killed leaves it to the next one.
///
/// It counts until the machine's next boot, since nothing of it is made durable: its name has the boot's id. What is lost
/// is asked for again.
public final class ArrivedHeaders {
    /// What is known of a version's headers.
    public struct Learnt: Sendable {
        /// The id of the header set in the index; 0: none.
        public var set: Int64
        /// Nothing else is there to be known.
        public var isComplete: Bool

        public init(set: Int64, isComplete: Bool) {
            self.set = set
            self.isComplete = isComplete
        }
    }

    private let connection: Connection
    private let insert: Statement
    private let select: Statement
    private var isOpen = false

    /// Where the kernel does not tell the boot's id, nothing counts but what this process wrote.
    private static let name = "headers-\((try? BootID.read()) ?? "\(getpid())-\(UInt64.random(in: 0 ... .max))").sqlite"

    /// The path of the file in a store's `tmp/`.
    public static func path(in directory: String) -> String {
        "\(directory)/\(name)"
    }

    /// Whether a name in `tmp/` belongs to a file that counts.
    public static func isCurrent(_ name: String) -> Bool {
        name.hasPrefix(self.name)
    }

    /// Opens the file, and creates it if there is none.
    public init(directory: String) throws {
        let path = ArrivedHeaders.path(in: directory)
        try File(path, O_RDWR | O_CREAT, mode: 0o600).close()
        connection = try Connection(path, readOnly: false)
        try connection.execute(
            """
            PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;
            CREATE TABLE IF NOT EXISTS arrived (key BLOB NOT NULL, versionId BLOB NOT NULL, etag BLOB NOT NULL,
                headers INTEGER NOT NULL, isComplete INTEGER NOT NULL, PRIMARY KEY (key, versionId, etag)) WITHOUT ROWID
            """)
        insert = try connection.prepare("INSERT OR REPLACE INTO arrived VALUES (?, ?, ?, ?, ?)")
        select = try connection.prepare(
            "SELECT headers, isComplete FROM arrived WHERE key = ? AND versionId = ? AND etag = ?")
    }

    /// The headers that an earlier process has left; nil if there are none.
    public static func left(in directory: String) throws -> ArrivedHeaders? {
        guard Files.exists(path(in: directory)) else { return nil }
        let found = try ArrivedHeaders(directory: directory)
        return try found.connection.prepare("SELECT 1 FROM arrived LIMIT 1").step() ? found : nil
    }

    /// Removes the file, once everything in it has been committed.
    public static func remove(in directory: String) throws {
        // The file itself last: what is beside it belongs to nobody once it is gone, and a kill in between would leave it.
        for suffix in ["-wal", "-shm", ""] { try Files.remove(path(in: directory) + suffix) }
    }

    /// Records what a version has.
    ///
    /// - Parameters:
    ///   - versionId: empty if unknown.
    ///   - etag: as rows have it.
    public func add(
        key: UnsafeRawBufferPointer, versionId: UnsafeRawBufferPointer, etag: UnsafeRawBufferPointer, _ headers: Learnt
    ) throws {
        if !isOpen { try connection.execute("BEGIN IMMEDIATE") }
        isOpen = true
        bind(insert, key, versionId, etag)
        insert.bind(4, headers.set)
        insert.bind(5, headers.isComplete ? 1 : 0)
        try insert.run()
    }

    /// Makes what was added visible to others, and safe from a kill.
    public func commit() throws {
        if isOpen { try connection.execute("COMMIT") }
        isOpen = false
    }

    /// Sees from now on what is there now, until this object goes: looking something up then takes no locks.
    public func freeze() throws {
        try connection.execute("BEGIN")
    }

    /// What is known of a version; nil: nothing.
    public func find(
        key: UnsafeRawBufferPointer, versionId: UnsafeRawBufferPointer, etag: UnsafeRawBufferPointer
    ) throws -> Learnt? {
        bind(select, key, versionId, etag)
        defer { select.reset() }
        return try select.step() ? Learnt(set: select.integer(0), isComplete: select.integer(1) != 0) : nil
    }

    /// The same of a version that is requested.
    public func find(_ want: FetchRequest) throws -> Learnt? {
        try want.key.withUnsafeBytes { key in
            try (want.versionId ?? []).withUnsafeBytes { versionId in
                try want.etag.bytesOfRow.withUnsafeBytes { etag in
                    try find(key: key, versionId: versionId, etag: etag)
                }
            }
        }
    }

    /// Passes everything to `body`, ordered by key.
    public func forEach(
        _ body: (_ key: [UInt8], _ versionId: [UInt8], _ etag: [UInt8], Learnt) throws -> Void
    ) throws {
        let all = try connection.prepare(
            "SELECT key, versionId, etag, headers, isComplete FROM arrived ORDER BY key, versionId, etag")
        while try all.step() {
            try body(
                Array(all.bytes(0)), Array(all.bytes(1)), Array(all.bytes(2)),
                Learnt(set: all.integer(3), isComplete: all.integer(4) != 0))
        }
    }

    private func bind(
        _ statement: Statement, _ key: UnsafeRawBufferPointer, _ versionId: UnsafeRawBufferPointer,
        _ etag: UnsafeRawBufferPointer
    ) {
        // A null pointer would bind NULL.
        statement.bind(blob: key.baseAddress == nil ? ArrivedHeaders.nothing : key, 1)
        statement.bind(blob: versionId.baseAddress == nil ? ArrivedHeaders.nothing : versionId, 2)
        statement.bind(blob: etag.baseAddress == nil ? ArrivedHeaders.nothing : etag, 3)
    }

    private nonisolated(unsafe) static let nothing = UnsafeRawBufferPointer(
        start: UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1), count: 0)
}
