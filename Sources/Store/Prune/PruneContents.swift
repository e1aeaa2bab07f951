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
    private let existsOpaque: Statement
    private let insertDoomed: Statement
    private let insertPacked: Statement
    private let existsDoomed: Statement
    private let bits: UnsafeMutablePointer<UInt64>
    private var hasOpaque = false
    private var hasStaying = false
    /// The packs that have doomed blobs, by their numbers in the catalogue.
    private(set) var deadInPacks: [UInt32: DeadShare] = [:]
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
            CREATE TABLE doomed (name TEXT PRIMARY KEY, size INTEGER, stays INTEGER DEFAULT 0) WITHOUT ROWID;
            CREATE TABLE packed (name TEXT, pack INTEGER, PRIMARY KEY (name, pack)) WITHOUT ROWID;
            CREATE TABLE staying (pack INTEGER PRIMARY KEY)
            """)
        // As long as the cache holds it all, nothing is written: a disk may be pruned because it is full.
        // The connection keeps the file open; unlinking it ensures that nothing is left over.
        try Files.remove(path)
        insert = try connection.prepare("INSERT OR IGNORE INTO content VALUES (?, ?)")
        delete = try connection.prepare("DELETE FROM content WHERE etag = ? AND size = ?")
        exists = try connection.prepare("SELECT 1 FROM content WHERE etag = ? AND size = ?")
        insertOpaque = try connection.prepare("INSERT OR IGNORE INTO opaque VALUES (?)")
        existsOpaque = try connection.prepare("SELECT 1 FROM opaque WHERE name = ?")
        insertDoomed = try connection.prepare(
            "INSERT OR IGNORE INTO doomed (name, size) VALUES (?, ?) RETURNING 1")
        insertPacked = try connection.prepare("INSERT OR IGNORE INTO packed VALUES (?, ?)")
        existsDoomed = try connection.prepare("SELECT 1 FROM doomed WHERE name = ?")
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

    /// Adds a blob that an earlier prune has doomed: by now, a row may name it again.
    func add(blob name: String) throws {
        if name.hasPrefix("x-") { return try add(opaque: name) }
        guard let dash = name.lastIndex(of: "-"), let size = Int64(name[name.index(after: dash)...]) else { return }
        try add(ETag(Array(name[..<dash].utf8)), size)
    }

    private func add(opaque name: String) throws {
        hasOpaque = true
        try insertOpaque.run(texts: [(1, name)]) { try insertOpaque.run() }
    }

    /// Finds the blobs of the remaining contents.
    func findBlobs(_ store: Store, _ reader: IndexReader) throws {
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
    }

    /// Several ETags can map to one SHA-256: it stays as long as any of them does.
    func strikeOpaque(_ reader: IndexReader) throws {
        let strike = try connection.prepare("DELETE FROM opaque WHERE name = ?")
        try reader.opaqueBlobs { etag, size, sha256 in
            if try contains(etag, size) { return }
            try strike.run(texts: [(1, BlobName.file(sha256: sha256, size: size))]) { try strike.run() }
        }
    }

    /// Adds the ETags that map to blobs that only their SHA-256 vouches for.
    func addContents(ofOpaque reader: IndexReader) throws {
        guard hasOpaque else { return }
        try reader.opaqueBlobs { etag, size, sha256 in
            if try remains(BlobName.file(sha256: sha256, size: size)) { try add(ETag(Array(etag.utf8)), size) }
        }
    }

    /// Passes the names of all remaining blobs to `body`, including ones that were not added.
    func names(_ body: (String) throws -> Void) throws {
        try forEach { etag, size in
            if let name = BlobName.file(etag: etag, size: size) { try body(name) }
        }
        let select = try connection.prepare("SELECT name FROM opaque")
        while try select.step() { try body(String(decoding: select.bytes(0), as: UTF8.self)) }
    }

    /// Whether a blob remains.
    func remains(_ name: String) throws -> Bool {
        if name.hasPrefix("x-") {
            var remains = false
            try existsOpaque.run(texts: [(1, name)]) {
                remains = try existsOpaque.step()
                existsOpaque.reset()
            }
            return remains
        }
        guard let dash = name.lastIndex(of: "-"), let size = Int64(name[name.index(after: dash)...]) else {
            return false
        }
        return try contains(String(name[..<dash]), size)
    }

    // MARK: - What goes

    /// What of a pack is doomed.
    struct DeadShare {
        var count = 0
        /// Of the contents.
        var bytes: Int64 = 0
        /// Of their records.
        var recordBytes: Int64 = 0
    }

    private func doom(_ name: String, _ store: Store) throws {
        let places = try BlobName(name).map { try store.packs.places($0) } ?? []
        guard let size = Files.size(store.blobs.path(ofName: name)) ?? places.first?.record.name.size else { return }
        var isNew = false
        try insertDoomed.run(texts: [(1, name)]) {
            insertDoomed.bind(2, size)
            isNew = try insertDoomed.step()
            insertDoomed.reset()
        }
        guard isNew else { return }
        for (pack, record) in places {
            var dead = deadInPacks[pack] ?? DeadShare()
            dead.count += 1
            dead.bytes += record.name.size
            dead.recordBytes += record.length
            deadInPacks[pack] = dead
            try insertPacked.run(texts: [(1, name)]) {
                insertPacked.bind(2, Int64(pack))
                try insertPacked.run()
            }
        }
    }

    /// Notes that the blobs that some packs have are doomed, but stay for now.
    func keepBlobs(inPacks packs: [UInt32]) throws {
        guard !packs.isEmpty else { return }
        hasStaying = true
        let insert = try connection.prepare("INSERT OR IGNORE INTO staying VALUES (?)")
        for pack in packs {
            insert.bind(1, Int64(pack))
            try insert.run()
        }
        try connection.execute(
            """
            UPDATE doomed SET stays = 1
            WHERE name IN (SELECT name FROM packed WHERE pack IN (SELECT pack FROM staying))
            """)
    }

    /// The doomed blobs that stay, or those that go, and their bytes.
    func count(staying: Bool) throws -> (count: Int, bytes: Int64) {
        let select = try connection.prepare("SELECT size FROM doomed WHERE stays = ?")
        select.bind(1, staying ? 1 : 0)
        var (count, bytes) = (0, Int64(0))
        while try select.step() {
            count += 1
            bytes = bytes.addingClamped(select.integer(0))
        }
        return (count, bytes)
    }

    /// Passes all doomed blobs, and their sizes, to `body`.
    func forEachDoomed(_ body: (String, Int64) throws -> Void) throws {
        let select = try connection.prepare("SELECT name, size FROM doomed")
        while try select.step() { try body(String(decoding: select.bytes(0), as: UTF8.self), select.integer(1)) }
    }

    /// A blob that no row names.
    struct DoomedBlob {
        let name: String
        let isPacked: Bool
        /// In a pack that stays.
        let stays: Bool
    }

    /// The next doomed blobs in the order of their names.
    func doomed(after name: String, limit: Int64) throws -> [DoomedBlob] {
        let select = try connection.prepare(
            """
            SELECT name, EXISTS (SELECT 1 FROM packed WHERE packed.name = doomed.name), stays FROM doomed
            WHERE name > ? ORDER BY name LIMIT ?
            """)
        var blobs: [DoomedBlob] = []
        try select.run(texts: [(1, name)]) {
            select.bind(2, limit)
            while try select.step() {
                blobs.append(
                    DoomedBlob(
                        name: String(decoding: select.bytes(0), as: UTF8.self), isPacked: select.integer(1) != 0,
                        stays: select.integer(2) != 0))
            }
            select.reset()
        }
        return blobs
    }

    /// Whether no row names a blob.
    func isDoomed(_ name: String) throws -> Bool {
        var isDoomed = false
        try existsDoomed.run(texts: [(1, name)]) {
            isDoomed = try existsDoomed.step()
            existsDoomed.reset()
        }
        return isDoomed
    }

    /// Whether the blob of a content is doomed, but stays for now.
    func stays(_ etag: ETag, _ size: Int64, _ reader: IndexReader) throws -> Bool {
        guard hasStaying else { return false }
        if let name = BlobName.file(etag: etag, size: size), try stays(name) { return true }
        guard let sha256 = try reader.blobFacts(etag: etag, size: size).sha256 else { return false }
        return try stays(BlobName.file(sha256: sha256, size: size))
    }

    private func stays(_ name: String) throws -> Bool {
        let select = try connection.prepare("SELECT 1 FROM doomed WHERE name = ? AND stays = 1")
        var stays = false
        try select.run(texts: [(1, name)]) {
            stays = try select.step()
            select.reset()
        }
        return stays
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

    /// How many blobs earlier prunes have doomed that may still be there, and their bytes.
    public func doomedTotal() throws -> (blobs: Int64, bytes: Int64) {
        guard knowsPrunes else { return (0, 0) }
        let select = try connection.prepare("SELECT count(*), coalesce(sum(size), 0) FROM doomed")
        return try select.step() ? (select.integer(0), select.integer(1)) : (0, 0)
    }

    /// The blobs that earlier prunes have doomed and that may still be there, with their sizes: those in packs that stayed, and
    /// those that a stopped prune did not come to.
    public func doomedBlobs(_ body: (String, Int64) throws -> Void) throws {
        guard knowsPrunes else { return }
        let select = try connection.prepare("SELECT name, size FROM doomed")
        while try select.step() { try body(String(decoding: select.bytes(0), as: UTF8.self), select.integer(1)) }
    }
}
