import Basics
import GRDBSQLite

/// A bare connection to an SQLite file, for paths where every call counts: no mutex, no observers.
/// Only one thread at a time may use it.
public final class Connection: @unchecked Sendable {
    /// SQLite's handle, for functions that are not wrapped here.
    public let handle: OpaquePointer
    /// The file's path, for errors.
    public let path: String
    private let isOwned: Bool

    /// Opens an existing file.
    ///
    /// A file on a read-only medium, or on a file system without shared memory, is opened as immutable: SQLite could not
    /// create the files beside it that coordinate readers and a writer, and there cannot be a writer.
    ///
    /// - Parameter isPrivate: nobody else will open it; it has no write-ahead log.
    public init(_ path: String, readOnly: Bool, isPrivate: Bool = false) throws(IcecoreError) {
        let isShared = !readOnly && !isPrivate
        if isShared { try WALIndex.checkRoom(beside: path) }
        var opened = try Connection.open(path, readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, path)
        if readOnly {
            let status = sqlite3_exec(opened, "SELECT 1 FROM sqlite_schema LIMIT 1", nil, nil, nil)
            let isStuck =
                [SQLITE_READONLY, SQLITE_CANTOPEN].contains(status & 0xFF)
                || status != SQLITE_OK && sqlite3_extended_errcode(opened) == Connection.cannotMap
            if isStuck, (Files.size("\(path)-wal") ?? 0) == 0 {
                sqlite3_close_v2(opened)
                let escaped = path.utf8.map { byte in
                    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 47
                        ? String(UnicodeScalar(byte)) : "%\(Hex.encode([byte]))"
                }
                opened = try Connection.open(
                    "file:\(escaped.joined())?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, path)
            }
        }
        handle = opened
        isOwned = true
        self.path = path
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_handler(
            handle,
            { context, tries in
                guard let context else { return 0 }
                let connection = Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue()
                return BusyWait.goOn(Int(tries), connection.path) ? 1 : 0
            }, Unmanaged.passUnretained(self).toOpaque())
        if isShared {
            // Whatever is wrong with the file is found by its first use, which says so.
            sqlite3_exec(handle, "SELECT 1 FROM sqlite_schema LIMIT 1", nil, nil, nil)
            try WALIndex.reserve(beside: path)
        }
    }

    /// Uses the connection of another library, which stays its owner.
    public init(borrowing handle: OpaquePointer, path: String) {
        self.handle = handle
        self.path = path
        isOwned = false
    }

    /// SQLITE_IOERR_SHMMAP, a macro that Swift does not see.
    private static let cannotMap = SQLITE_IOERR | 21 << 8

    private static func open(_ name: String, _ flags: Int32, _ path: String) throws(IcecoreError) -> OpaquePointer {
        var opened: OpaquePointer?
        let status = sqlite3_open_v2(name, &opened, flags | SQLITE_OPEN_NOMUTEX, nil)
        guard status == SQLITE_OK, let opened else {
            let error = IcecoreError.sqlite(status, opened, "cannot open", path)
            sqlite3_close_v2(opened)
            throw error
        }
        return opened
    }

    deinit {
        if isOwned { sqlite3_close_v2(handle) }
    }

    /// Runs statements that return no rows.
    public func execute(_ sql: String) throws(IcecoreError) {
        let status = sqlite3_exec(handle, sql, nil, nil, nil)
        if status != SQLITE_OK { throw .sqlite(status, handle, "cannot run \(Connection.verb(sql)) on", path) }
    }

    /// The first words of the last of some statements, for messages.
    private static func verb(_ sql: String) -> String {
        let statement = sql.split(separator: ";").last { !$0.allSatisfy(\.isWhitespace) } ?? ""
        return statement.split(whereSeparator: \.isWhitespace).prefix(3).joined(separator: " ")
    }

    /// How long to wait for a lock that another connection holds.
    public func busyTimeout(milliseconds: Int32) {
        sqlite3_busy_timeout(handle, milliseconds)
    }
}
