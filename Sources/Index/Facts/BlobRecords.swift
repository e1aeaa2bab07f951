import Basics
import Model
import SQLite

/// Writes a download's results to the index, in small transactions of its own: facts about blobs, headers, failures.
public final class BlobRecords {
    private let connection: Connection
    private let insertFacts: Statement
    private let selectHeaders: Statement
    private let insertHeaders: Statement
    private let insertObject: Statement
    private let insertFailure: Statement
    private var isOpen = false

    public init(indexPath: String) throws {
        connection = try Connection(indexPath, readOnly: false)
        // A mount may be the first to write to an index of an earlier program.
        if try !connection.knowsParts() { _ = try IndexDatabase(path: indexPath) }
        try connection.execute("PRAGMA synchronous = FULL")
        insertFacts = try connection.prepare(
            "INSERT OR REPLACE INTO blob (etag, size, partSize, sha256, parts) VALUES (?, ?, ?, ?, ?)")
        selectHeaders = try connection.prepare("SELECT id FROM headerSet WHERE headers = ?")
        insertHeaders = try connection.prepare("INSERT INTO headerSet (headers) VALUES (?) RETURNING id")
        insertObject = try connection.prepare(
            "INSERT OR REPLACE INTO objectHeaders (key, versionId, etag, headerSet) VALUES (?, ?, ?, ?)")
        insertFailure = try connection.prepare(
            """
            INSERT OR REPLACE INTO failure (key, versionId, etag, size, gone, reason, failedAt)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """)
    }

    private func begin() throws {
        if !isOpen { try connection.execute("BEGIN IMMEDIATE") }
        isOpen = true
    }

    /// Makes the added records durable.
    public func commit() throws {
        if isOpen { try connection.execute("COMMIT") }
        isOpen = false
    }

    /// Counts newly stored blobs.
    public func count(blobs: Int, bytes: Int64) throws {
        guard blobs > 0 else { return }
        try begin()
        try connection.addToTotal("blobs", Int64(blobs))
        try connection.addToTotal("blobBytes", bytes)
    }

    /// Records what a blob's ETag does not tell.
    ///
    /// - Parameter etag: the ETag that it is filed under.
    public func add(etag: ETag, size: Int64, parts: PartLayout?, sha256: [UInt8]?) throws {
        try begin()
        insertFacts.bind(2, size)
        if case .even(let partSize) = parts { insertFacts.bind(3, partSize) } else { insertFacts.bindNull(3) }
        try insertFacts.run(texts: [(1, etag.description)]) {
            try insertFacts.bind(blob: sha256, 4) {
                try insertFacts.bind(blob: parts?.recorded, 5) { try insertFacts.run() }
            }
        }
    }

    /// Records the headers that came with a version: a JSON object.
    public func add(headers: String, of want: FetchRequest) throws {
        try begin()
        var id: Int64?
        try selectHeaders.run(texts: [(1, headers)]) {
            if try selectHeaders.step() { id = selectHeaders.integer(0) }
            selectHeaders.reset()
        }
        if id == nil {
            try insertHeaders.run(texts: [(1, headers)]) {
                if try insertHeaders.step() { id = insertHeaders.integer(0) }
                insertHeaders.reset()
            }
        }
        try insertObject.run(want, want.etag) {
            insertObject.bind(4, id ?? 0)
            try insertObject.run()
        }
    }

    /// Records that an object could not be fetched.
    public func add(_ want: FetchRequest, isGone: Bool, reason: String) throws {
        try begin()
        try insertFailure.run(want, want.contentETag) {
            insertFailure.bind(4, want.size)
            insertFailure.bind(5, isGone ? 1 : 0)
            insertFailure.bind(7, Timestamp.now().milliseconds)
            try insertFailure.run(texts: [(6, reason)]) { try insertFailure.run() }
        }
    }
}

extension Statement {
    /// Binds bytes, or NULL, and runs `body` while they are bound.
    fileprivate func bind(blob bytes: [UInt8]?, _ index: Int32, _ body: () throws -> Void) throws {
        guard let bytes else {
            bindNull(index)
            return try body()
        }
        try bytes.withUnsafeBytes {
            bind(blob: $0, index)
            try body()
        }
    }

    /// Binds key, version id and ETag of an object to the first three parameters, and runs `body` while they are bound.
    fileprivate func run(_ want: FetchRequest, _ etag: ETag, _ body: () throws -> Void) throws {
        let etag = Array(etag.description.utf8)
        try want.key.withUnsafeBytes { key in
            try (want.versionId ?? []).withUnsafeBytes { versionId in
                try etag.withUnsafeBytes { etag in
                    bind(text: key, 1)
                    bind(text: versionId, 2)
                    bind(text: etag, 3)
                    try body()
                }
            }
        }
    }
}
