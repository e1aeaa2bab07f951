import Basics
import Model
import SQLite

/// Writes a download's results to the index, in small transactions of its own: facts about blobs, headers, failures.
public final class BlobRecords {
    private let connection: Connection
    private let insertFacts: Statement
    private let headers: HeaderRecords
    private let insertFailure: Statement
    private let insertLoss: Statement
    private let deleteFailure: Statement
    private var isOpen = false

    /// - Parameter headers: where headers are recorded.
    public init(indexPath: String, headers destination: HeaderDestination = .nowhere) throws {
        connection = try Connection(indexPath, readOnly: false)
        // A mount may be the first to write to an index of an earlier program.
        if try !connection.knowsParts() { _ = try IndexDatabase(path: indexPath, keepsFormat: true) }
        try connection.execute("PRAGMA synchronous = FULL")
        insertFacts = try connection.prepare(
            "INSERT OR REPLACE INTO blob (etag, size, partSize, sha256, parts) VALUES (?, ?, ?, ?, ?)")
        headers = try HeaderRecords(connection, destination)
        deleteFailure = try connection.prepare("DELETE FROM failure WHERE key = ? AND versionId = ? AND etag = ?")
        insertFailure = try connection.prepare(BlobRecords.insert("failure"))
        insertLoss = try connection.prepare(BlobRecords.insert("loss"))
    }

    private func begin() throws {
        if !isOpen { try connection.execute("BEGIN IMMEDIATE") }
        isOpen = true
    }

    /// Makes the added records durable.
    public func commit() throws {
        if isOpen { try connection.execute("COMMIT") }
        isOpen = false
        // After the sets that they name.
        try headers.commit()
    }

    /// Counts newly stored blobs.
    public func count(blobs: Int, bytes: Int64) throws {
        guard blobs > 0 else { return }
        try begin()
        try connection.addToTotal("blobs", Int64(blobs))
        try connection.addToTotal("blobBytes", bytes)
    }

    /// Replaces the sums by what was counted.
    package func set(blobs: Int64, bytes: Int64) throws {
        try begin()
        try connection.setTotal("blobs", max(0, blobs))
        try connection.setTotal("blobBytes", max(0, bytes))
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

    /// Records the headers of a version.
    ///
    /// - Parameter isComplete: there is nothing else to be known; false if its tags were refused.
    public func add(_ headers: ObjectHeaders, isComplete: Bool, of want: FetchRequest) throws {
        guard self.headers.isNeeded else { return }
        try begin()
        try self.headers.add(headers, isComplete: isComplete, of: want)
    }

    /// Records that an object could not be fetched. What does not pass by itself counts only after ``confirmLosses()``.
    public func add(_ want: FetchRequest, _ failure: FetchFailure, reason: String) throws {
        try begin()
        if failure == .archived, want.isArchived {
            // That is what the row says already.
            return try deleteFailure.run(want, want.contentETag) { try deleteFailure.run() }
        }
        // The losses of a sync that turns out to have asked the wrong server must leave no trace.
        let statement = failure.isLoss ? insertLoss : insertFailure
        try statement.run(want, want.contentETag) {
            statement.bind(4, want.size)
            statement.bind(5, failure == .gone ? 1 : 0)
            statement.bind(7, Timestamp.now().milliseconds)
            try statement.run(texts: [(6, reason), (8, failure.rawValue)]) { try statement.run() }
        }
    }

    private static let columns = "key, versionId, etag, size, gone, reason, failedAt, state"

    private static func insert(_ table: String) -> String {
        "INSERT OR REPLACE INTO \(table) (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    }

    /// Believes the source that what it called gone or refused since the last confirmation is so.
    public func confirmLosses() throws {
        try begin()
        try connection.execute(
            """
            INSERT OR REPLACE INTO failure (\(BlobRecords.columns)) SELECT \(BlobRecords.columns) FROM loss;
            DELETE FROM loss
            """)
        try commit()
    }

    /// Forgets what the source called gone or refused since the last confirmation.
    public func forgetLosses() throws {
        try begin()
        try connection.execute("DELETE FROM loss")
        try commit()
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
