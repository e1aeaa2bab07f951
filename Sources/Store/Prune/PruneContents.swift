import Basics
import Glibc
import Index
import Model
import SQLite

/// The contents that a prune may be able to remove: those of dropped versions, except those that other rows still name.
///
/// They are kept in an unnamed SQLite file. Nearly every row asks whether its content is among them, and nearly none
/// is, so a bit table, one bit per hash, answers first.
final class PruneContents {
    private let connection: Connection
    private let insert: Statement
    private let delete: Statement
    private let exists: Statement
    private let insertOpaque: Statement
    private let insertDoomed: Statement
    private let bits: UnsafeMutablePointer<UInt64>
    private static let bitCount = 1 << 27

    /// - Parameter directory: the store's `tmp/`.
    init(directory: String) throws {
        let path = "\(directory)/prune-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600).close()
        connection = try Connection(path, readOnly: false, isPrivate: true)
        try connection.execute(
            """
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; PRAGMA locking_mode = EXCLUSIVE;
            BEGIN;
            CREATE TABLE content (etag TEXT, size INTEGER, PRIMARY KEY (etag, size)) WITHOUT ROWID;
            CREATE TABLE opaque (name TEXT PRIMARY KEY) WITHOUT ROWID;
            CREATE TABLE doomed (name TEXT PRIMARY KEY, size INTEGER) WITHOUT ROWID
            """)
        // As long as the cache holds it all, nothing is written: a disk may be pruned because it is full.
        // The connection keeps the file open; unlinking it ensures that nothing is left over.
        try Files.remove(path)
        insert = try connection.prepare("INSERT OR IGNORE INTO content VALUES (?, ?)")
        delete = try connection.prepare("DELETE FROM content WHERE etag = ? AND size = ?")
        exists = try connection.prepare("SELECT 1 FROM content WHERE etag = ? AND size = ?")
        insertOpaque = try connection.prepare("INSERT OR IGNORE INTO opaque VALUES (?)")
        insertDoomed = try connection.prepare("INSERT OR IGNORE INTO doomed VALUES (?, ?)")
        let words = PruneContents.bitCount / 64
        bits = UnsafeMutableRawPointer(calloc(words, 8)).assumingMemoryBound(to: UInt64.self)
    }

    deinit {
        free(bits)
    }

    // MARK: - Contents

    /// The bit of a content, from the bytes of the column `etag`: an MD5 is as good as any hash.
    @inline(__always)
    private func bit(_ etag: UnsafeRawBufferPointer, _ size: Int64) -> Int {
        var hash: UInt64 = UInt64(bitPattern: size) &* 0x9e37_79b9_7f4a_7c15
        for byte in etag { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return Int(truncatingIfNeeded: hash >> 24) & (PruneContents.bitCount - 1)
    }

    /// Adds the content of a dropped version.
    func add(_ etag: ETag, _ size: Int64) throws {
        let bit = etag.bytesOfRow.withUnsafeBytes { self.bit($0, size) }
        bits[bit / 64] |= 1 << UInt64(bit % 64)
        try insert.run(etag, size)
    }

    /// Strikes out a content that a remaining row names.
    @inline(__always)
    func strike(_ row: borrowing EntryRow, prefix: [UInt8]) throws {
        if row.flags.contains(.filedByVersion) {
            // Filed under a name unique to the version: no other row strikes it out.
            if let etag = row.contentETag(prefix: prefix) { try delete.run(etag, row.size) }
            return
        }
        let bit = bit(row.etag, row.size)
        guard bits[bit / 64] & (1 << UInt64(bit % 64)) != 0, let etag = row.etagValue else { return }
        try delete.run(etag, row.size)
    }

    /// Whether no row names the content any longer.
    func contains(_ etag: String, _ size: Int64) throws -> Bool {
        var isThere = false
        try exists.run(texts: [(1, etag)]) {
            exists.bind(2, size)
            isThere = try exists.step()
            exists.reset()
        }
        return isThere
    }

    /// Passes all remaining contents to `body`.
    func forEach(_ body: (ETag, Int64) throws -> Void) throws {
        let select = try connection.prepare("SELECT etag, size FROM content")
        while try select.step() { try body(ETag(Array(select.bytes(0))), select.integer(1)) }
    }

    // MARK: - Blobs

    /// Adds a blob that an earlier prune was about to remove: by now, a row may name it again.
    func add(blob name: String) throws {
        if name.hasPrefix("x-") { return try add(opaque: name) }
        guard let dash = name.lastIndex(of: "-"), let size = Int64(name[name.index(after: dash)...]) else { return }
        try add(ETag(Array(name[..<dash].utf8)), size)
    }

    private func add(opaque name: String) throws {
        try insertOpaque.run(texts: [(1, name)]) { try insertOpaque.run() }
    }

    /// Finds the files of the remaining contents.
    ///
    /// - Returns: their number and bytes.
    func findBlobs(_ store: Store, _ reader: IndexReader) throws -> (count: Int, bytes: Int64) {
        try forEach { etag, size in
            try Interruption.check()
            if let name = BlobName.file(etag: etag, size: size) { try doom(name, store) }
            if let sha256 = try reader.blobFacts(etag: etag, size: size).sha256 {
                try add(opaque: BlobName.file(sha256: sha256, size: size))
            }
        }
        try strikeOpaque(reader)
        let select = try connection.prepare("SELECT name FROM opaque")
        while try select.step() { try doom(String(decoding: select.bytes(0), as: UTF8.self), store) }
        var (count, bytes) = (0, Int64(0))
        try forEachDoomed { _, size in
            count += 1
            bytes = bytes.addingClamped(size)
        }
        return (count, bytes)
    }

    /// Several ETags can map to one SHA-256: it stays as long as any of them does.
    private func strikeOpaque(_ reader: IndexReader) throws {
        let strike = try connection.prepare("DELETE FROM opaque WHERE name = ?")
        try reader.opaqueBlobs { etag, size, sha256 in
            if try contains(etag, size) { return }
            try strike.run(texts: [(1, BlobName.file(sha256: sha256, size: size))]) { try strike.run() }
        }
    }

    /// Adds the ETags that map to blobs that only their SHA-256 vouches for.
    func addContents(ofOpaque reader: IndexReader) throws {
        let select = try connection.prepare("SELECT 1 FROM opaque WHERE name = ?")
        try reader.opaqueBlobs { etag, size, sha256 in
            try select.run(texts: [(1, BlobName.file(sha256: sha256, size: size))]) {
                if try select.step() { try add(ETag(Array(etag.utf8)), size) }
                select.reset()
            }
        }
    }

    /// Passes the names of all remaining blobs to `body`, including ones that were not added.
    func names(_ reader: IndexReader, _ body: (String) throws -> Void) throws {
        try forEach { etag, size in
            if let name = BlobName.file(etag: etag, size: size) { try body(name) }
        }
        try strikeOpaque(reader)
        let select = try connection.prepare("SELECT name FROM opaque")
        while try select.step() { try body(String(decoding: select.bytes(0), as: UTF8.self)) }
    }

    private func doom(_ name: String, _ store: Store) throws {
        guard let size = Files.size(store.blobs.path(ofName: name)) else { return }
        try insertDoomed.run(texts: [(1, name)]) {
            insertDoomed.bind(2, size)
            try insertDoomed.run()
        }
    }

    /// Passes the blobs to be removed, and their sizes, to `body`.
    func forEachDoomed(_ body: (String, Int64) throws -> Void) throws {
        let select = try connection.prepare("SELECT name, size FROM doomed")
        while try select.step() { try body(String(decoding: select.bytes(0), as: UTF8.self), select.integer(1)) }
    }

    /// Whether a blob is to be removed.
    func isDoomed(_ name: String) throws -> Bool {
        let select = try connection.prepare("SELECT 1 FROM doomed WHERE name = ?")
        var isDoomed = false
        try select.run(texts: [(1, name)]) {
            isDoomed = try select.step()
            select.reset()
        }
        return isDoomed
    }
}

extension Statement {
    /// Runs a statement whose parameters are an ETag and a size.
    func run(_ etag: ETag, _ size: Int64) throws {
        try run(texts: [(1, etag.description)]) {
            bind(2, size)
            try run()
        }
    }
}

extension IndexReader {
    /// Passes every blob stored under its SHA-256 to `body`.
    func opaqueBlobs(_ body: (_ etag: String, _ size: Int64, _ sha256: [UInt8]) throws -> Void) throws {
        let select = try connection.prepare("SELECT etag, size, sha256 FROM blob WHERE sha256 IS NOT NULL")
        while try select.step() {
            try body(String(decoding: select.bytes(0), as: UTF8.self), select.integer(1), Array(select.bytes(2)))
        }
    }

    /// The blobs that a stopped prune was about to remove, with their sizes.
    func doomedBlobs(_ body: (String, Int64) throws -> Void) throws {
        guard knowsPrunes else { return }
        let select = try connection.prepare("SELECT name, size FROM doomed")
        while try select.step() { try body(String(decoding: select.bytes(0), as: UTF8.self), select.integer(1)) }
    }
}
