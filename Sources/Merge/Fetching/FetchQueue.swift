import Basics
import Glibc
import Index
import Model
import SQLite

/// The blobs, or headers, that a sync requests, in an unnamed file: written as the merge finds them, read most urgent first.
///
/// The first replaced expires first, so replaced versions come before current ones, in the order of their
/// replacement; SQLite sorts them in bounded memory.
public final class FetchQueue {
    private let connection: Connection
    private let insert: Statement
    private var select: Statement?
    /// How many of them the inventory marks latest, apart from those that were denied before.
    public private(set) var latest = 0

    /// - Parameter directory: the store's `tmp/`.
    public init(directory: String) throws {
        let path = "\(directory)/wants-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600).close()
        connection = try Connection(path, readOnly: false, isPrivate: true)
        try connection.execute(
            """
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384; PRAGMA locking_mode = EXCLUSIVE;
            CREATE TABLE want (id INTEGER PRIMARY KEY, replacedAt INTEGER, size INTEGER, flags INTEGER, key BLOB,
                versionId BLOB, etag TEXT, content TEXT, lastModified INTEGER, headers TEXT);
            BEGIN
            """)
        // The connection keeps the file open; unlinking it ensures that nothing is left over.
        try Files.remove(path)
        insert = try connection.prepare(
            """
            INSERT INTO want (replacedAt, size, flags, key, versionId, etag, content, lastModified, headers)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
    }

    /// Adds a blob.
    public func append(_ want: FetchRequest) throws {
        insert.bind(1, want.replacedAt.milliseconds)
        insert.bind(2, want.size)
        insert.bind(
            3,
            (want.isLatest ? 1 : 0) | (want.isOpaque ? 2 : 0) | (want.isArchived ? 4 : 0) | (want.wasDenied ? 8 : 0)
                | (want.wantsHeaders ? 16 : 0))
        if want.isLatest, !want.wasDenied { latest += 1 }
        insert.bind(8, want.lastModified.milliseconds)
        let etag = Array(want.etag.description.utf8)
        let content = want.isFiledByVersion ? Array(want.contentETag.description.utf8) : etag
        try want.key.withUnsafeBytes { key in
            try etag.withUnsafeBytes { etag in
                try (want.versionId ?? []).withUnsafeBytes { versionId in
                    insert.bind(blob: key, 4)
                    if want.versionId == nil { insert.bindNull(5) } else { insert.bind(blob: versionId, 5) }
                    insert.bind(text: etag, 6)
                    try content.withUnsafeBytes { content in
                        insert.bind(text: content, 7)
                        try insert.run(texts: [(9, want.knownHeaders?.json)]) { try insert.run() }
                    }
                }
            }
        }
    }

    /// Passes each requested content, once, with its size to `body`.
    public func forEachContent(_ body: (ETag, Int64) throws -> Void) throws {
        let statement = try connection.prepare("SELECT content, size FROM want GROUP BY content, size")
        while try statement.step() { try body(ETag(Array(statement.bytes(0))), statement.integer(1)) }
    }

    /// The next request, most urgent first; nil after the last. What is added once it is read is not seen.
    public func next() throws -> FetchRequest? {
        let statement: Statement
        if let select {
            statement = select
        } else {
            statement = try connection.prepare(
                """
                SELECT replacedAt, size, flags, key, versionId, etag, content, lastModified, headers FROM want
                ORDER BY replacedAt, id
                """)
            select = statement
        }
        guard try statement.step() else {
            select = nil
            return nil
        }
        return FetchQueue.request(statement)
    }

    /// Passes every request to `body`: contents in the order of their most urgent request, and all requests of one content
    /// one after the other.
    public func forEachTogether(_ body: (FetchRequest) throws -> Void) throws {
        let statement = try connection.prepare(
            """
            SELECT w.replacedAt, w.size, w.flags, w.key, w.versionId, w.etag, w.content, w.lastModified, w.headers
            FROM want AS w JOIN (SELECT content, size, min(replacedAt) AS urgency, min(id) AS first FROM want
                GROUP BY content, size) AS g ON g.content = w.content AND g.size = w.size
            ORDER BY g.urgency, g.first, w.id
            """)
        while try statement.step() { try body(FetchQueue.request(statement)) }
    }

    private static func request(_ statement: Statement) -> FetchRequest {
        let flags = statement.integer(2)
        var request = FetchRequest(
            key: Array(statement.bytes(3)), versionId: statement.isNull(4) ? nil : Array(statement.bytes(4)),
            etag: ETag(Array(statement.bytes(5))), contentETag: ETag(Array(statement.bytes(6))),
            size: statement.integer(1), isLatest: flags & 1 != 0, isOpaque: flags & 2 != 0,
            isArchived: flags & 4 != 0, lastModified: Timestamp(milliseconds: statement.integer(7)),
            replacedAt: Timestamp(milliseconds: statement.integer(0)))
        request.wasDenied = flags & 8 != 0
        request.wantsHeaders = flags & 16 != 0
        if !statement.isNull(8) { request.knownHeaders = ObjectHeaders(json: Array(statement.bytes(8))) }
        return request
    }
}
