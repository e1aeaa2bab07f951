import Basics
import GRDBSQLite
import Glibc
import SQLite

/// Copies of an index as of one moment, page for page, while others read and write it.
public enum IndexCopy {
    /// Copies the index to a new file.
    ///
    /// - Parameter progress: called now and then with the fraction done, between 0 and 1.
    public static func make(of path: String, at copy: String, progress: (Double) -> Void = { _ in }) throws {
        try File(copy, O_RDWR | O_CREAT | O_EXCL, mode: 0o600).close()
        let target = try Connection(copy, readOnly: false)
        // The copy is read as a file: it needs no log of its own, and is rebuilt after a crash.
        try target.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        try run(from: Connection(path, readOnly: true), to: target, path, progress)
        // Without a write-ahead log (bytes 18 and 19 of SQLite's header), the copy is read without files beside it.
        let file = try File(copy, O_RDWR)
        try ([1, 1] as [UInt8]).withUnsafeBytes { try file.write($0, at: 18) }
    }

    /// Replaces the content of an index with that of a copy, in one transaction: readers see either the old or the new.
    public static func replace(_ path: String, with copy: String, progress: (Double) -> Void = { _ in }) throws {
        let target = try Connection(path, readOnly: false)
        try target.execute("PRAGMA synchronous = FULL")
        try run(from: Connection(copy, readOnly: true), to: target, path, progress)
        try target.execute("PRAGMA wal_checkpoint(PASSIVE)")
    }

    private static func run(
        from source: Connection, to target: Connection, _ path: String, _ progress: (Double) -> Void
    ) throws {
        guard let backup = sqlite3_backup_init(target.handle, "main", source.handle, "main") else {
            throw IcecoreError.sqlite(sqlite3_errcode(target.handle), target.handle, "cannot copy", path)
        }
        // One transaction on the source spans all steps, so that no commit restarts the copy.
        try source.execute("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1")
        var status = SQLITE_OK
        var waits = 0
        repeat {
            if Interruption.isRequested { break }
            status = sqlite3_backup_step(backup, 2048)
            let total = Double(max(1, sqlite3_backup_pagecount(backup)))
            progress(1 - Double(sqlite3_backup_remaining(backup)) / total)
            if status == SQLITE_BUSY || status == SQLITE_LOCKED {
                waits += 1
                if waits > 1000 { break }
                usleep(10_000)
            }
        } while status == SQLITE_OK || status == SQLITE_BUSY || status == SQLITE_LOCKED
        let end = sqlite3_backup_finish(backup)
        try Interruption.check()
        guard status == SQLITE_DONE, end == SQLITE_OK else {
            throw IcecoreError.sqlite(status == SQLITE_DONE ? end : status, target.handle, "cannot copy", path)
        }
    }
}
