import Basics
import GRDBSQLite

/// A compiled statement: bind, step, read columns, reset. Column pointers live until the next step or reset.
public final class Statement {
    public let handle: OpaquePointer
    private let connection: Connection

    init(_ handle: OpaquePointer, connection: Connection) {
        self.handle = handle
        self.connection = connection
    }

    deinit {
        sqlite3_finalize(handle)
    }

    /// Advances to the next row; false after the last.
    @inlinable @inline(__always)
    public func step() throws(IcecoreError) -> Bool {
        let status = sqlite3_step(handle)
        if status == SQLITE_ROW { return true }
        if status == SQLITE_DONE { return false }
        throw failure(status)
    }

    /// Resets the statement, and returns the error that stopped it.
    @usableFromInline
    func failure(_ status: Int32) -> IcecoreError {
        let error = IcecoreError.sqlite(status, connection.handle, "cannot read or write", connection.path)
        sqlite3_reset(handle)
        return error
    }

    /// Runs a statement that returns no rows, then resets it.
    @inlinable @inline(__always)
    public func run() throws(IcecoreError) {
        _ = try step()
        sqlite3_reset(handle)
    }

    @inlinable @inline(__always)
    public func reset() {
        sqlite3_reset(handle)
    }

    @inlinable @inline(__always)
    public func bind(_ index: Int32, _ value: Int64) {
        sqlite3_bind_int64(handle, index, value)
    }

    @inlinable @inline(__always)
    public func bindNull(_ index: Int32) {
        sqlite3_bind_null(handle, index)
    }

    /// Binds text without copying it: the bytes must stay valid until the statement is reset.
    @inlinable @inline(__always)
    public func bind(text: UnsafeRawBufferPointer, _ index: Int32) {
        // A null pointer would bind NULL; empty text needs some address.
        let address = text.baseAddress ?? UnsafeRawPointer(Statement.empty)
        sqlite3_bind_text(
            handle, index, address.assumingMemoryBound(to: CChar.self), Int32(truncatingIfNeeded: text.count), nil)
    }

    /// Binds a blob without copying it: the bytes must stay valid until the statement is reset.
    @inlinable @inline(__always)
    public func bind(blob: UnsafeRawBufferPointer, _ index: Int32) {
        sqlite3_bind_blob(handle, index, blob.baseAddress, Int32(truncatingIfNeeded: blob.count), nil)
    }

    @inlinable @inline(__always)
    public func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    @inlinable @inline(__always)
    public func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    /// The bytes of text, or of a blob.
    @inlinable @inline(__always)
    public func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        // column_blob on text gives its UTF-8 bytes without a conversion; it must come before column_bytes.
        let start = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
    }

    @usableFromInline nonisolated(unsafe) static let empty = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
}

extension Statement {
    /// Binds a value, or NULL if it equals the one that stands for NULL.
    @inlinable @inline(__always)
    public func bind(_ index: Int32, _ value: Int64, nullIf null: Int64) {
        if value == null { bindNull(index) } else { bind(index, value) }
    }
}

extension Statement {
    /// Binds texts (nil as NULL), and runs `body` while they are bound.
    public func run(texts: [(Int32, String?)], _ body: () throws -> Void) throws {
        guard let (index, text) = texts.first else { return try body() }
        let rest = Array(texts.dropFirst())
        guard var text else {
            bindNull(index)
            return try run(texts: rest, body)
        }
        try text.withUTF8 { bytes in
            bind(text: UnsafeRawBufferPointer(bytes), index)
            try run(texts: rest, body)
        }
    }
}

extension Connection {
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
