import Basics
import Blobs
import Glibc
import Model
import SQLite

/// The contents that the index knows and the store lacks, by size and digest, in an unnamed SQLite file: there may be more
/// than fit in memory.
///
/// Also what another store says of the parts of multipart uploads: a hint, which the bytes have to confirm.
final class WantedContents {
    private let connection: Connection
    private let insert: Statement
    private let path: String
    private var nextParts: Statement?
    private var select: Statement?
    private var delete: Statement?
    private var taken: Statement?
    private var isTaken: Statement?
    private let insertHint: Statement
    private let hint: Statement
    private var hasHints = false
    private(set) var count = 0
    private(set) var bytes: Int64 = 0
    /// How many of them nothing can vouch for.
    private(set) var unverifiable = 0
    private var last: ContentKey?

    // What stands in the column `parts` besides the number of an upload's parts (0: a plain MD5).
    private static let sha256: Int64 = -1
    private static let nothing: Int64 = -2

    /// - Parameter directory: the store's `tmp/`.
    init(directory: String) throws {
        path = "\(directory)/adopt-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600).close()
        connection = try Connection(path, readOnly: false, isPrivate: true)
        try connection.execute(
            """
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384; PRAGMA locking_mode = EXCLUSIVE;
            CREATE TABLE found (size INTEGER, parts INTEGER, name BLOB, etag BLOB);
            CREATE TABLE want (size INTEGER, parts INTEGER, name BLOB, etag BLOB, PRIMARY KEY (size, parts, name)) WITHOUT ROWID;
            CREATE TABLE taken (size INTEGER, etag BLOB, PRIMARY KEY (size, etag)) WITHOUT ROWID;
            CREATE TABLE hint (size INTEGER, etag BLOB, line BLOB, PRIMARY KEY (size, etag)) WITHOUT ROWID;
            BEGIN
            """)
        // The connection keeps the file open; unlinking it ensures that nothing is left over.
        try Files.remove(path)
        insert = try connection.prepare("INSERT INTO found VALUES (?, ?, ?, ?)")
        insertHint = try connection.prepare("INSERT OR REPLACE INTO hint VALUES (?, ?, ?)")
        hint = try connection.prepare("SELECT line FROM hint WHERE size = ? AND etag = ?")
    }

    // MARK: - Collecting

    /// Whether a content is the one that was looked at last. The rows of one content are often adjacent.
    func isLast(_ content: IndexedContent) -> Bool {
        let key = ContentKey(etag: content.etag, size: content.size)
        if key == last { return true }
        last = key
        return false
    }

    /// Adds a content; one that was added before counts once.
    func add(_ content: IndexedContent) throws {
        let etag = Array(content.etag.description.utf8)
        insert.bind(1, content.size)
        insert.bind(2, content.name.map(WantedContents.parts) ?? WantedContents.nothing)
        try (content.name.map(WantedContents.digest) ?? etag).withUnsafeBytes { name in
            try etag.withUnsafeBytes { etag in
                insert.bind(blob: name, 3)
                insert.bind(blob: etag, 4)
                try insert.run()
            }
        }
    }

    /// Sorts what was added. Nothing can be looked up before, and nothing added afterwards.
    func sort() throws {
        // In the order of the key, so that pages are written once.
        try connection.execute(
            """
            INSERT OR IGNORE INTO want SELECT size, parts, name, etag FROM found ORDER BY size, parts, name;
            DROP TABLE found
            """)
        let all = try connection.prepare("SELECT size, parts FROM want")
        while try all.step() {
            count += 1
            bytes = bytes.addingClamped(all.integer(0))
            if all.integer(1) == WantedContents.nothing { unverifiable += 1 }
            if count & 0xFFFF == 0 { try Interruption.check() }
        }
        nextParts = try connection.prepare(
            "SELECT parts FROM want WHERE size = ? AND parts > ? ORDER BY parts LIMIT 1")
        select = try connection.prepare("SELECT etag FROM want WHERE size = ? AND parts = ? AND name = ?")
        delete = try connection.prepare("DELETE FROM want WHERE size = ? AND parts = ? AND name = ? RETURNING 1")
        taken = try connection.prepare("INSERT OR IGNORE INTO taken VALUES (?, ?)")
        isTaken = try connection.prepare("SELECT 1 FROM taken WHERE size = ? AND etag = ?")
    }

    private static func parts(_ name: BlobName) -> Int64 {
        switch name {
        case .etag(let etag, _): Int64(etag.parts)
        case .sha256: sha256
        }
    }

    private static func digest(_ name: BlobName) -> [UInt8] {
        switch name {
        case .etag(let etag, _): etag.md5
        case .sha256(let digest, _): digest
        }
    }

    // MARK: - Looking up

    /// Which digests the contents of a size have that are still wanted: the numbers of parts, 0 for a plain MD5.
    func digests(ofSize size: Int64) throws -> (parts: [UInt32], hasSHA256: Bool) {
        guard let nextParts else { return ([], false) }
        var parts: [UInt32] = []
        var hasSHA256 = false
        var last = WantedContents.nothing
        while parts.count < WantedContents.mostCounts {
            nextParts.bind(1, size)
            nextParts.bind(2, last)
            defer { nextParts.reset() }
            guard try nextParts.step() else { break }
            last = nextParts.integer(0)
            if last == WantedContents.sha256 { hasSHA256 = true } else { parts.append(UInt32(clamping: last)) }
        }
        return (parts, hasSHA256)
    }

    /// How many numbers of parts are tried with a file that has the size and not the name of a content.
    private static let mostCounts = 8

    /// What a wanted content is filed under; nil if no content of this name is wanted any more.
    func find(_ name: BlobName) throws -> ETag? {
        guard let select else { return nil }
        return try run(select, name) {
            defer { select.reset() }
            return try select.step() ? ETag(Array(select.bytes(0))) : nil
        }
    }

    /// Notes that a content was taken.
    ///
    /// - Parameter isNoted: ``isTaken(_:_:)`` has to know it: nothing else will.
    /// - Returns: false if it was not wanted.
    func take(_ name: BlobName, _ etag: ETag, isNoted: Bool) throws -> Bool {
        guard let delete, let taken else { return false }
        let isWanted = try run(delete, name) {
            defer { delete.reset() }
            return try delete.step()
        }
        guard isNoted else { return isWanted }
        taken.bind(1, name.size)
        try Array(etag.description.utf8).withUnsafeBytes { bytes in
            taken.bind(blob: bytes, 2)
            try taken.run()
        }
        return isWanted
    }

    /// Whether a content was taken.
    func isTaken(_ etag: ETag, _ size: Int64) throws -> Bool {
        guard let isTaken else { return false }
        isTaken.bind(1, size)
        return try Array(etag.description.utf8).withUnsafeBytes { bytes in
            isTaken.bind(blob: bytes, 2)
            defer { isTaken.reset() }
            return try isTaken.step()
        }
    }

    private func run<Result>(_ statement: Statement, _ name: BlobName, _ body: () throws -> Result) throws -> Result {
        statement.bind(1, name.size)
        statement.bind(2, WantedContents.parts(name))
        return try WantedContents.digest(name).withUnsafeBytes { digest in
            statement.bind(blob: digest, 3)
            return try body()
        }
    }

    // MARK: - Hints

    /// Reads what another store knows of the parts of its contents.
    ///
    /// - Parameter path: of its `blobs.facts`.
    func readHints(_ path: String) throws {
        try FactFile(path: path).read { fact in
            guard fact.parts != nil else { return }
            hasHints = true
            insertHint.bind(1, fact.size)
            try Array(fact.etag.description.utf8).withUnsafeBytes { etag in
                try fact.line.withUnsafeBytes { line in
                    insertHint.bind(blob: etag, 2)
                    insertHint.bind(blob: line, 3)
                    try insertHint.run()
                }
            }
        }
    }

    /// What another store says of the parts of a content.
    func hint(_ etag: ETag, _ size: Int64) throws -> PartLayout? {
        guard hasHints else { return nil }
        hint.bind(1, size)
        return try Array(etag.description.utf8).withUnsafeBytes { bytes in
            hint.bind(blob: bytes, 2)
            defer { hint.reset() }
            guard try hint.step() else { return nil }
            return BlobFact(line: Array(hint.bytes(0)).dropLast())?.parts
        }
    }
}
