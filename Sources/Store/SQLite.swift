import Basics
import GRDBSQLite

/// A connection of its own to an SQLite file, for the paths where every call counts: no mutex, no observers.
/// One thread at a time may use it.
public final class Connection: @unchecked Sendable {
    let handle: OpaquePointer
    let path: String

    /// Opens an existing file.
    ///
    /// A file on a read-only medium is taken as one that does not change: SQLite could not make the files beside it that
    /// readers and a writer agree by, and there can be no writer.
    public init(_ path: String, readOnly: Bool) throws(IcecoreError) {
        var opened = try Connection.open(path, readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, path)
        if readOnly {
            let status = sqlite3_exec(opened, "SELECT 1 FROM sqlite_schema LIMIT 1", nil, nil, nil)
            let isStuck = [SQLITE_READONLY, SQLITE_CANTOPEN].contains(status & 0xFF)
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
        self.path = path
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, 10_000)
    }

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
        sqlite3_close_v2(handle)
    }

    /// Runs statements that give no rows.
    public func execute(_ sql: String) throws(IcecoreError) {
        let status = sqlite3_exec(handle, sql, nil, nil, nil)
        if status != SQLITE_OK { throw .sqlite(status, handle, "cannot run \(sql) on", path) }
    }

    /// How long to wait for a lock that another connection holds.
    func busyTimeout(milliseconds: Int32) {
        sqlite3_busy_timeout(handle, milliseconds)
    }

    /// Compiles one statement for repeated use.
    public func prepare(_ sql: String) throws(IcecoreError) -> Statement {
        var statement: OpaquePointer?
        let status = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard status == SQLITE_OK, let statement else {
            throw .sqlite(status, handle, "cannot compile \(sql) on", path)
        }
        return Statement(statement, connection: self)
    }
}

/// A compiled statement: bind, step, read columns, reset. Column pointers live until the next step or reset.
public final class Statement {
    @usableFromInline let handle: OpaquePointer
    private let connection: Connection

    fileprivate init(_ handle: OpaquePointer, connection: Connection) {
        self.handle = handle
        self.connection = connection
    }

    deinit {
        sqlite3_finalize(handle)
    }

    /// Advances to the next row; false after the last.
    @inline(__always)
    func step() throws(IcecoreError) -> Bool {
        let status = sqlite3_step(handle)
        if status == SQLITE_ROW { return true }
        if status == SQLITE_DONE { return false }
        let error = IcecoreError.sqlite(status, connection.handle, "cannot read or write", connection.path)
        sqlite3_reset(handle)
        throw error
    }

    /// Runs a statement that gives no rows, and makes it ready to be bound again.
    @inline(__always)
    func run() throws(IcecoreError) {
        _ = try step()
        sqlite3_reset(handle)
    }

    @inline(__always)
    func reset() {
        sqlite3_reset(handle)
    }

    @inline(__always)
    func bind(_ index: Int32, _ value: Int64) {
        sqlite3_bind_int64(handle, index, value)
    }

    @inline(__always)
    func bindNull(_ index: Int32) {
        sqlite3_bind_null(handle, index)
    }

    /// Binds text without copying it: the bytes must stay until the statement is reset.
    @inline(__always)
    func bind(text: UnsafeRawBufferPointer, _ index: Int32) {
        // A null pointer would bind NULL; text of length 0 needs some address.
        let address = text.baseAddress ?? UnsafeRawPointer(Statement.empty)
        sqlite3_bind_text(
            handle, index, address.assumingMemoryBound(to: CChar.self), Int32(truncatingIfNeeded: text.count), nil)
    }

    /// Binds a blob without copying it: the bytes must stay until the statement is reset.
    @inline(__always)
    func bind(blob: UnsafeRawBufferPointer, _ index: Int32) {
        sqlite3_bind_blob(handle, index, blob.baseAddress, Int32(truncatingIfNeeded: blob.count), nil)
    }

    @inline(__always)
    func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    @inline(__always)
    func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    @inline(__always)
    func integer(_ column: Int32, ifNull: Int64) -> Int64 {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? ifNull : sqlite3_column_int64(handle, column)
    }

    /// The bytes of text, or of a blob.
    @inline(__always)
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        // column_blob on text gives its UTF-8 bytes without a conversion; it must come before column_bytes.
        let start = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
    }

    @inline(__always)
    func isText(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_TEXT
    }

    nonisolated(unsafe) private static let empty = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
}

/// One column of the row that a statement stands on.
struct ColumnValue {
    let handle: OpaquePointer?

    @inline(__always) var isNull: Bool { sqlite3_value_type(handle) == SQLITE_NULL }
    @inline(__always) var isText: Bool { sqlite3_value_type(handle) == SQLITE_TEXT }
    @inline(__always) var integer: Int64 { sqlite3_value_int64(handle) }

    /// The bytes of text, or of a blob.
    @inline(__always) var bytes: UnsafeRawBufferPointer {
        // value_blob on text gives its UTF-8 bytes without a conversion; it must come before value_bytes.
        let start = sqlite3_value_blob(handle)
        return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_value_bytes(handle)))
    }
}

extension Statement {
    /// A column for reading at once: nobody else uses the connection meanwhile, as ``Connection`` demands.
    @inline(__always)
    func value(_ column: Int32) -> ColumnValue {
        ColumnValue(handle: sqlite3_column_value(handle, column))
    }
}

extension IcecoreError {
    static func sqlite(_ status: Int32, _ connection: OpaquePointer?, _ action: String, _ path: String) -> IcecoreError
    {
        let reason = connection.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(status))
        switch status & 0xFF {
        case SQLITE_FULL: return IcecoreError(.noSpace, "\(action) '\(path)': the disk is full")
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            return IcecoreError(
                .damaged,
                "\(action) '\(path)': it is damaged (\(reason)); 'icecore verify' says more, 'icecore reindex' makes the "
                    + "index again")
        case SQLITE_BUSY: return IcecoreError(.busy, "\(action) '\(path)': \(reason)")
        case SQLITE_IOERR where isFull(path):
            return IcecoreError(.noSpace, "\(action) '\(path)': the disk is full")
        default: return IcecoreError(.system, "\(action) '\(path)': \(reason)")
        }
    }

    /// SQLite has a code for a disk that is full while it writes pages, and none for one where the files beside the index
    /// find no room: these are some 32 KiB.
    static func isFull(_ path: String) -> Bool {
        ((try? Files.freeBytes(Files.directory(of: path))) ?? .max) < 1 << 16
    }
}
