import Basics
import GRDBSQLite

extension IcecoreError {
    /// An SQLite result code as a message about a file.
    ///
    /// - Parameter connection: has the details; nil if there is none.
    public static func sqlite(_ status: Int32, _ connection: OpaquePointer?, _ action: String, _ path: String)
        -> IcecoreError
    {
        let reason = connection.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(status))
        switch status & 0xFF {
        case SQLITE_FULL: return IcecoreError(.noSpace, "\(action) '\(path)': the disk is full")
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            return IcecoreError(
                .damaged,
                "\(action) '\(path)': it is damaged (\(reason)); 'icecore verify' shows details, 'icecore reindex' "
                    + "rebuilds the index")
        case SQLITE_BUSY: return IcecoreError(.busy, "\(action) '\(path)': \(reason)")
        case SQLITE_IOERR where isFull(path):
            return IcecoreError(.noSpace, "\(action) '\(path)': the disk is full")
        default: return IcecoreError(.system, "\(action) '\(path)': \(reason)")
        }
    }

    /// SQLite has a code for a disk that fills up while it writes pages, but none for a disk without room for the files
    /// beside the index, about 32 KiB.
    public static func isFull(_ path: String) -> Bool {
        ((try? Files.freeBytes(Files.directory(of: path))) ?? .max) < 1 << 16
    }
}
