import Index

/// What a scan passes its rows to.
protocol RowVisitor {
    /// Whether to look into a directory, of which this is a row. A directory is entered once, whatever its other rows say.
    mutating func enters(_ row: borrowing EntryRow) -> Bool

    /// A row of a version. Rows of one key follow each other.
    ///
    /// - Parameter path: the prefix of keys of the row's directory, with its `/`.
    /// - Returns: false to end the scan.
    mutating func visit(_ row: borrowing EntryRow, in path: [UInt8]) throws -> Bool

    /// A directory was entered, after the last row before it.
    ///
    /// - Returns: false to end the scan.
    mutating func begin() throws -> Bool

    /// A directory has no more rows.
    ///
    /// - Parameters:
    ///   - path: its prefix.
    ///   - depth: how far below the beginning of the scan it is; 0: that is where it began.
    /// - Returns: false to end the scan.
    mutating func end(_ path: [UInt8], depth: Int) throws -> Bool
}

extension RowVisitor {
    mutating func begin() throws -> Bool { true }
    mutating func end(_ path: [UInt8], depth: Int) throws -> Bool { true }
}
