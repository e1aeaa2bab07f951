import GRDBSQLite

/// One column of a statement's current row.
public struct ColumnValue {
    public let handle: OpaquePointer?

    @inlinable @inline(__always)
    init(handle: OpaquePointer?) {
        self.handle = handle
    }

    @inlinable @inline(__always) public var isNull: Bool { sqlite3_value_type(handle) == SQLITE_NULL }
    @inlinable @inline(__always) public var isText: Bool { sqlite3_value_type(handle) == SQLITE_TEXT }
    @inlinable @inline(__always) public var integer: Int64 { sqlite3_value_int64(handle) }

    /// The bytes of text, or of a blob.
    @inlinable @inline(__always) public var bytes: UnsafeRawBufferPointer {
        // value_blob on text gives its UTF-8 bytes without a conversion; it must come before value_bytes.
        let start = sqlite3_value_blob(handle)
        return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_value_bytes(handle)))
    }
}

extension Statement {
    /// A column, to be read at once: no other thread may use the connection meanwhile, as ``Connection`` requires.
    @inlinable @inline(__always)
    public func value(_ column: Int32) -> ColumnValue {
        ColumnValue(handle: sqlite3_column_value(handle, column))
    }
}
