import Basics
import Glibc
import Model
import SQLite

/// Reads views from the index. Each reading thread has its own reader.
///
/// Between ``begin()`` and ``end()`` it reads one consistent state, regardless of commits.
public final class IndexReader {
    /// The directory that holds everything: the empty prefix.
    public static let root = DirectoryNames.root

    package let connection: Connection
    /// The snapshots of the state being read.
    public private(set) var timeline = Timeline([])
    private var isReading = false
    /// Of the file that was opened.
    private let identity: (device: UInt, inode: UInt)?
    /// The index has the tables that prunes write to.
    package private(set) var knowsPrunes = false
    /// Rows name their header sets: the index had the format 3 when it was opened.
    let knowsHeaders: Bool
    let headerSet: Statement
    private let lookup: EntryCursor
    private let byName: Statement
    private let names: DirectoryNames
    private let facts: BlobFacts
    private let goneAt: Statement

    /// Opens the index of a store.
    public init(path: String) throws(IcecoreError) {
        try IndexReader.refuseLoss(path)
        connection = try Connection(path, readOnly: true)
        identity = IndexReader.identity(path)
        // 4 MiB per reader: the upper levels of the tree and the current pages. The kernel caches the rest.
        try connection.execute("PRAGMA cache_size = -4096; PRAGMA query_only = 1")
        knowsHeaders = try connection.knowsHeaders()
        headerSet = try connection.prepare("SELECT headers FROM headerSet WHERE id = ?1")
        lookup = try EntryCursor(connection)
        let columns = try connection.entryColumns()
        byName = try connection.prepare(
            "SELECT \(columns) FROM entry WHERE directory = ?1 AND name = ?2 ORDER BY slot")
        names = try DirectoryNames(connection)
        facts = try BlobFacts(connection)
        // What was only concluded from an inventory, the next inventory can revoke.
        let said = try connection.knowsStates() ? "AND coalesce(state, '') <> '\(FetchFailure.unlisted)'" : ""
        goneAt = try connection.prepare(
            "SELECT failedAt FROM failure WHERE key = ?1 AND versionId = ?2 AND etag = ?3 AND gone = 1 \(said)")
        try begin()
    }

    /// Refuses an index that is missing or empty.
    public static func refuseLoss(_ path: String) throws(IcecoreError) {
        let size = Files.size(path)
        if Files.exists(path), size ?? 1 > 0 { return }
        throw IcecoreError(
            .damaged,
            "'\(path)' is \(size == 0 ? "empty" : "missing"): the store has lost its index. 'icecore reindex' rebuilds "
                + "it from the inventories that the store keeps")
    }

    private static func identity(_ path: String) -> (device: UInt, inode: UInt)? {
        var status = stat()
        return stat(path, &status) == 0 ? (UInt(status.st_dev), UInt(status.st_ino)) : nil
    }

    /// Whether its path leads to another file now: the index was rebuilt, or a cache made anew.
    public var isReplaced: Bool {
        guard let now = IndexReader.identity(connection.path), let identity else { return false }
        return now != identity
    }

    /// Whether the index has been brought to another format since it was opened: another reader sees more.
    public var isOutdated: Bool {
        get throws(IcecoreError) { knowsHeaders ? false : try connection.knowsHeaders() }
    }

    /// Starts to read the newest committed state instead of the previous one. No cursor may be in use.
    public func begin() throws(IcecoreError) {
        end()
        try connection.execute("BEGIN")
        isReading = true
        if !knowsPrunes {
            // False for an index that no sync has opened since prunes exist, perhaps on a read-only medium.
            knowsPrunes = try connection.knowsPrunes()
        }
        let prunedAt = knowsPrunes ? "prunedAt" : "NULL"
        let statement = try connection.prepare("SELECT id, name, takenAt, \(prunedAt) FROM snapshot")
        var points: [Timeline.Point] = []
        while try statement.step() {
            guard (1...Timeline.largestId).contains(statement.integer(0)) else {
                throw .damaged(connection.path, "a snapshot has the number \(statement.integer(0))")
            }
            points.append(
                Timeline.Point(
                    id: statement.integer(0), name: String(decoding: statement.bytes(1), as: UTF8.self),
                    takenAt: Timestamp(milliseconds: statement.integer(2)), isPruned: !statement.isNull(3)))
        }
        var horizons: [Timeline.Horizon] = []
        if knowsPrunes {
            let prunes = try connection.prepare("SELECT prefix, horizon FROM prune")
            while try prunes.step() {
                horizons.append(
                    Timeline.Horizon(
                        prefix: Array(prunes.bytes(0)), time: Timestamp(milliseconds: prunes.integer(1))))
            }
        }
        timeline = Timeline(points, horizons: horizons)
    }

    /// Releases the state being read, so that the write-ahead log can be checkpointed past it.
    public func end() {
        guard isReading else { return }
        lookup.close()
        byName.reset()
        names.reset()
        goneAt.reset()
        try? connection.execute("COMMIT")
        isReading = false
    }

    /// A separate cursor over the rows of directories.
    public func cursor() throws(IcecoreError) -> EntryCursor {
        try EntryCursor(connection)
    }

    /// The row of one name that the view shows; nil if it shows none. The row lives until the next call of this reader.
    ///
    /// - Parameter name: the rest of the key after the directory, with its `/` for a directory.
    public func find(_ name: UnsafeRawBufferPointer, in directory: Int64, _ view: View) throws(IcecoreError)
        -> EntryRow?
    {
        byName.reset()
        byName.bind(1, directory)
        byName.bind(text: name, 2)
        while try byName.step() {
            let row = EntryRow(byName)
            if view.shows(row, timeline) { return row }
        }
        return nil
    }

    /// Whether a content that was gone for good is back, according to an inventory that lists it and was taken after
    /// the source called it gone. Also true without a record of what the source said.
    ///
    /// - Parameter versionId: empty if unknown.
    package func isBack(
        key: [UInt8], versionId: UnsafeRawBufferPointer, etag: ETag, listedAt: Timestamp
    ) -> Bool {
        let text = Array(etag.description.utf8)
        return key.withUnsafeBytes { key in
            text.withUnsafeBytes { etag in
                goneAt.bind(text: key, 1)
                goneAt.bind(text: versionId, 2)
                goneAt.bind(text: etag, 3)
                defer { goneAt.reset() }
                // If the record cannot be read, the content is requested: at worst, that is one request.
                guard (try? goneAt.step()) == true else { return true }
                let time = Timestamp(milliseconds: goneAt.integer(0))
                // A time in the future is a clock's mistake.
                return time < listedAt || time > .now()
            }
        }
    }

    /// Passes every row of one name to `body`.
    public func rows(
        _ name: UnsafeRawBufferPointer, in directory: Int64, _ body: (borrowing EntryRow) throws -> Void
    ) throws {
        byName.reset()
        byName.bind(1, directory)
        byName.bind(text: name, 2)
        defer { byName.reset() }
        while try byName.step() { try body(EntryRow(byName)) }
    }

    /// The directory of a prefix that ends with `/` (or is empty), whether shown or not; nil if the index has none.
    public func directory(prefix: some Collection<UInt8>) throws -> Int64? {
        var directory = IndexReader.root
        var component: [UInt8] = []
        for byte in prefix {
            component.append(byte)
            guard byte == UInt8(ascii: "/") else { continue }
            var child: Int64 = 0
            try component.withUnsafeBytes { name in
                try rows(name, in: directory) { row in child = row.child }
            }
            if child == 0 { return nil }
            try expectBelow(directory, child)
            directory = child
            component.removeAll(keepingCapacity: true)
        }
        return directory
    }

    /// Expects a directory that a row names to be one that can be below the row's own: directories get their ids after
    /// those that they are in. In a damaged index, or a malicious one, a walk would go round in circles.
    @inline(__always)
    public func expectBelow(_ directory: Int64, _ child: Int64) throws(IcecoreError) {
        if child > directory { return }
        throw .damaged(connection.path, "the directory \(directory) holds the directory \(child)")
    }

    /// The prefix of keys that a directory stands for, with its `/`; empty for the root; nil for an unknown id.
    public func prefix(of directory: Int64) throws(IcecoreError) -> [UInt8]? {
        try names.prefix(of: directory)
    }

    /// When the first known object became current; nil if no object is known.
    public func earliest() throws(IcecoreError) -> Timestamp? {
        let statement = try connection.prepare("SELECT min(validFrom) FROM entry WHERE directory = 0")
        guard try statement.step(), !statement.isNull(0) else { return nil }
        return Timestamp(milliseconds: statement.integer(0))
    }

    /// The view that a WHEN names.
    public func view(_ when: When, now: Timestamp = .now()) throws(IcecoreError) -> View {
        try when.view(in: timeline, earliest: earliest(), now: now)
    }

    /// The name of a component that appears in mounts under its digest; nil if there is none.
    public func longName(sha256: [UInt8], in directory: Int64) throws -> [UInt8]? {
        let statement = try connection.prepare("SELECT name FROM longName WHERE directory = ?1 AND sha256 = ?2")
        statement.bind(1, directory)
        return try sha256.withUnsafeBytes { bytes -> [UInt8]? in
            statement.bind(blob: bytes, 2)
            return try statement.step() ? Array(statement.bytes(0)) : nil
        }
    }

    /// What the index knows about a blob beyond its ETag: the SHA-256 that an opaque one is stored under, the parts of a
    /// multipart upload.
    public func blobFacts(etag: ETag, size: Int64) throws -> (sha256: [UInt8]?, parts: PartLayout?) {
        try facts.find(etag: etag, size: size)
    }
}

extension IndexReader {
    /// The largest id that a directory has, or had before a prune dropped it: ids are never reused.
    package func largestDirectory() throws(IcecoreError) -> Int64 {
        let sums = try connection.sums()
        let statement = try connection.prepare(
            """
            SELECT max((SELECT max(id) FROM directory),
                coalesce((SELECT value FROM \(sums) WHERE name = 'directories'), 0))
            """)
        return try statement.step() ? statement.integer(0) : 0
    }

    /// How many slots of a directory have been assigned.
    package func slots(of directory: Int64) throws(IcecoreError) -> Int64 {
        let statement = try connection.prepare("SELECT slots FROM directory WHERE id = ?1")
        statement.bind(1, directory)
        return try statement.step() ? statement.integer(0) : 0
    }
}

extension IndexReader {
    /// Reads around look-ups from now on: for a long-lived reader with scattered look-ups.
    public func readAround() {
        ReadAround.begin(connection.handle)
    }
}

extension IcecoreError {
    /// An index holds what icecore does not write.
    static func damaged(_ path: String, _ what: String) -> IcecoreError {
        IcecoreError(.damaged, "'\(path)' is damaged (\(what)): 'icecore verify' shows details")
    }
}
