import Basics
import SQLite
import Store
import Upload

/// What a store knows about one of its replicas: the blobs that are there, and what an interrupted push may have left.
///
/// In `replicas/<id>.sqlite`. It can be deleted: the next push reads the replica's manifest, and sends what that does
/// not name. May be used from any thread, by one push at a time.
final class ReplicaRecords: UploadJournal, @unchecked Sendable {
    /// What is known about a blob at the replica, or a pack, or a file of an inventory. The raw values are part of the format.
    enum BlobState: Int64, Sendable {
        /// The replica's manifest names it.
        case listed = 0
        /// It is there, and no manifest names it yet.
        case uploaded = 1
        /// It may be there: an upload was about to begin, or others may have removed it since.
        case unconfirmed = 2
    }

    // Statements are only used under the lock of the records.

    private let records: TargetRecords
    private let selectState: Statement
    private let putState: Statement
    private let deleteState: Statement

    /// Opens the records, or creates them.
    ///
    /// - Parameter id: of the replica, as its own document says.
    /// - Throws: `busy` while another process pushes to the same replica.
    init(_ store: Store, replicaId id: String) throws {
        records = try TargetRecords(
            store, folder: StoreLayout.replicas, id: id,
            tables: [
                ("held", "name TEXT PRIMARY KEY, standing INTEGER"), ("object", "path TEXT PRIMARY KEY"),
            ],
            further: "CREATE INDEX IF NOT EXISTS fresh ON held (name) WHERE standing > 0;"
        ) { holder in
            "another push of this store to the same replica\(holder) is running: wait for it"
        }
        selectState = try records.prepare("SELECT standing FROM held WHERE name = ?")
        putState = try records.prepare("INSERT OR REPLACE INTO held VALUES (?, ?)")
        deleteState = try records.prepare("DELETE FROM held WHERE name = ?")
    }

    /// Makes what was recorded durable.
    func commit() throws { try records.commit() }

    // MARK: - Facts

    /// The directory of the snapshot whose manifest names the listed blobs; nil: none.
    var baseSnapshot: String? {
        get throws { try fact("base") }
    }

    func setBaseSnapshot(_ snapshot: String?) throws {
        try setFact("base", snapshot ?? "")
    }

    /// The directory of the last snapshot whose announced deletions this store has all carried out; nil: none.
    var deletionsDoneSnapshot: String? {
        get throws { try fact("deleted") }
    }

    func setDeletionsDone(_ snapshot: String) throws {
        try setFact("deleted", snapshot)
    }

    private func fact(_ name: String) throws -> String? {
        try records.read { connection in
            let statement = try connection.prepare("SELECT value FROM fact WHERE name = '\(name)'")
            return try statement.step() ? String(decoding: statement.bytes(0), as: UTF8.self) : nil
        }
    }

    private func setFact(_ name: String, _ value: String) throws {
        try records.change { connection in
            let statement = try connection.prepare("INSERT OR REPLACE INTO fact VALUES ('\(name)', ?)")
            try statement.run(texts: [(1, value)]) { try statement.run() }
        }
    }

    // MARK: - Blobs

    /// Nil: nothing is known of the blob.
    func state(of name: String) throws -> BlobState? {
        try records.read { _ in
            var found: BlobState?
            try selectState.run(texts: [(1, name)]) {
                if try selectState.step() { found = BlobState(rawValue: selectState.integer(0)) }
                selectState.reset()
            }
            return found
        }
    }

    func set(_ name: String, _ state: BlobState) throws {
        try records.change { _ in
            try putState.run(texts: [(1, name)]) {
                putState.bind(2, state.rawValue)
                try putState.run()
            }
        }
    }

    func forget(_ name: String) throws {
        try records.change { _ in try deleteState.run(texts: [(1, name)]) { try deleteState.run() } }
    }

    /// Forgets the blobs of a manifest that is no longer the newest.
    func forgetListed() throws {
        try records.change { try $0.execute("DELETE FROM held WHERE standing = 0") }
    }

    /// Blobs that an earlier attempt has uploaded, and no manifest names, may have been removed by others since.
    func unconfirmUploaded() throws {
        try records.change { try $0.execute("UPDATE held SET standing = 2 WHERE standing = 1") }
    }

    /// The manifest names everything that was uploaded now.
    func listUploaded() throws {
        try records.change { try $0.execute("UPDATE held SET standing = 0 WHERE standing = 1") }
    }

    /// Calls `body` with each blob, ordered by name.
    ///
    /// - Parameters:
    ///   - unlistedOnly: only those that no manifest names.
    ///   - prefix: what their names begin with.
    func forEachBlob(
        unlistedOnly: Bool = false, prefix: String = "", _ body: (String, BlobState) throws -> Void
    ) throws {
        try commit()
        var last = prefix
        while true {
            // Piece by piece: `body` may record something.
            let piece = try records.read { try blobs(after: last, unlistedOnly, $0) }
            for (name, state) in piece {
                guard name.hasPrefix(prefix) else { return }
                try body(name, state)
            }
            guard let end = piece.last else { return }
            last = end.0
        }
    }

    private func blobs(after last: String, _ unlistedOnly: Bool, _ connection: Connection) throws -> [(
        String, BlobState
    )] {
        let statement = try connection.prepare(
            "SELECT name, standing FROM held \(unlistedOnly ? "INDEXED BY fresh" : "") WHERE name > ? "
                + "\(unlistedOnly ? "AND standing > 0" : "") ORDER BY name LIMIT 1000")
        var found: [(String, BlobState)] = []
        try statement.run(texts: [(1, last)]) {
            while try statement.step() {
                guard let state = BlobState(rawValue: statement.integer(1)) else { continue }
                found.append((String(decoding: statement.bytes(0), as: UTF8.self), state))
            }
            statement.reset()
        }
        return found
    }

    // MARK: - What an interrupted push may leave

    /// Objects that nothing names yet are about to be written. Durable when this returns.
    func willWrite(_ paths: [String]) throws {
        for path in paths {
            try records.change { connection in
                let statement = try connection.prepare("INSERT OR IGNORE INTO object VALUES (?)")
                try statement.run(texts: [(1, path)]) { try statement.run() }
            }
        }
        try commit()
    }

    /// The objects that were about to be written, ordered by path: a few for each push.
    func writtenObjects() throws -> [String] {
        try records.read { connection in
            let statement = try connection.prepare("SELECT path FROM object ORDER BY path")
            var found: [String] = []
            while try statement.step() { found.append(String(decoding: statement.bytes(0), as: UTF8.self)) }
            return found
        }
    }

    func forgetObjects(_ paths: [String]) throws {
        for path in paths {
            try records.change { connection in
                let statement = try connection.prepare("DELETE FROM object WHERE path = ?")
                try statement.run(texts: [(1, path)]) { try statement.run() }
            }
        }
        try commit()
    }

    func willBegin(_ path: String) throws { try records.willBegin(path) }
    func didBegin(_ path: String, id: String) throws { try records.didBegin(path, id: id) }
    func didEnd(_ path: String) throws { try records.didEnd(path) }

    /// The uploads in parts that may not have ended; no ID: it is unknown whether the upload began.
    func unfinishedUploads() throws -> [(path: String, id: String?)] { try records.unfinishedUploads() }
}
