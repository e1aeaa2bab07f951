import Basics
import SQLite
import Store
import Upload

/// What a store has noted of one target: which objects were found or made equal, and the uploads in parts that may be
/// unfinished. In `restores/<id>.sqlite`; without it, headers are asked for again.
///
/// A listing tells an object's ETag, size and time: one that was not written since it was noted still has the headers that
/// it had then.
final class RestoreRecords {
    let journal: TargetRecords
    private let select: Statement
    private let put: Statement

    /// - Throws: `busy` while another process restores to the same target.
    init(_ store: Store, _ target: RestoreTarget) throws {
        journal = try TargetRecords(
            store, folder: StoreLayout.restores, id: target.recordsId,
            tables: [("object", "key BLOB PRIMARY KEY, etag TEXT, size INTEGER, digest BLOB, time INTEGER")]
        ) { holder in
            "another restore of this store to \(target)\(holder) is running: wait for it"
        }
        select = try journal.prepare("SELECT etag, size, digest, time FROM object WHERE key = ?")
        put = try journal.prepare("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?)")
    }

    /// Whether an object that the target lists is known to be what is wanted.
    ///
    /// - Parameters:
    ///   - key: the target's.
    ///   - time: when it was last modified, as the listing says.
    func isEqual(_ key: [UInt8], etag: String, size: Int64, time: Timestamp?, digest: [UInt8]) throws -> Bool {
        guard let time else { return false }
        return try journal.read { _ in
            try key.withUnsafeBytes { key in
                select.bind(blob: key, 1)
                defer { select.reset() }
                guard try select.step() else { return false }
                // The clock of an answer has seconds, and so may the listing.
                let isUntouched = time.milliseconds / 1000 * 1000 <= select.integer(3)
                return isUntouched && select.bytes(0).elementsEqual(etag.utf8) && select.integer(1) == size
                    && select.bytes(2).elementsEqual(digest)
            }
        }
    }

    /// Notes that the target has what is wanted.
    ///
    /// - Parameter time: when that was seen, by the server's clock.
    func note(_ key: [UInt8], etag: String, size: Int64, digest: [UInt8], time: Timestamp) throws {
        try journal.change { _ in
            try key.withUnsafeBytes { key in
                try digest.withUnsafeBytes { digest in
                    try put.run(texts: [(2, etag)]) {
                        put.bind(blob: key, 1)
                        put.bind(3, size)
                        put.bind(blob: digest, 4)
                        put.bind(5, time.milliseconds)
                        try put.run()
                    }
                }
            }
        }
    }
}
