import Basics

/// One row of an inventory, parsed: fixed-size facts, and where in the batch's bytes the variable ones lie.
public struct InventoryRow: Sendable {
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The inventory marks the row latest (always set where the report has no IsLatest column).
        public static let latest = Flags(rawValue: 1)
        /// The row is a delete marker. Its size is 0 and its ETag empty, whatever the report says.
        public static let marker = Flags(rawValue: 2)
        /// The report has no VersionId column, so the version's id is unknown (not the same as `null`).
        public static let unknownVersion = Flags(rawValue: 4)
        /// The ETag is not the MD5 of anything: EncryptionStatus says SSE-KMS, DSSE-KMS or SSE-C.
        public static let opaque = Flags(rawValue: 8)
        /// StorageClass (or the Intelligent-Tiering access tier) says that a GET needs a restore first.
        public static let archived = Flags(rawValue: 16)
        /// `etagParts`, `etagHigh` and `etagLow` are unused: the ETag stands verbatim in the batch's bytes.
        public static let verbatimETag = Flags(rawValue: 32)
    }

    /// Where the decoded key begins in the batch's bytes, and its length in bytes. Valid UTF-8, never empty.
    public var keyOffset: UInt32
    public var keyLength: UInt32
    /// The version id's bytes (`null` where the report says so or leaves the field empty; length 0 if unknown).
    public var versionOffset: UInt32
    public var versionLength: UInt32
    /// The ETag's bytes where `flags` has `verbatimETag` (without quotation marks); else length 0.
    public var etagOffset: UInt32
    public var etagLength: UInt32
    /// The first and the last 8 bytes of an ETag of 32 hexadecimal digits, big-endian.
    public var etagHigh: UInt64
    public var etagLow: UInt64
    /// N of `…-N` (a multipart ETag); 0 for a plain one.
    public var etagParts: UInt32
    public var flags: Flags
    /// Bytes; 0 for a marker.
    public var size: Int64
    public var lastModified: Timestamp
    /// Where the row stands, for error messages: the list file's place in the manifest, and the line in it from 1 on.
    public var file: UInt32
    public var line: UInt32
}

/// A few thousand rows and the bytes that they point into. A reader of rows is done with a batch before it asks for the
/// next one: the memory is used again.
public final class RowBatch: @unchecked Sendable {
    // One thread at a time has a batch: it is handed on, never shared.
    public var rows: ContiguousArray<InventoryRow> = []
    public private(set) var bytes: UnsafeMutableRawPointer
    public private(set) var capacity: Int
    /// How many of `bytes` are in use.
    public var used = 0

    /// - Parameter capacity: the room for variable bytes to begin with; it grows when asked.
    public init(capacity: Int = 1 << 18, rows: Int = 4096) {
        self.capacity = capacity
        bytes = .allocate(byteCount: capacity, alignment: 16)
        self.rows.reserveCapacity(rows)
    }

    deinit {
        bytes.deallocate()
    }

    /// Empties the batch; its memory stays.
    public func removeAll() {
        rows.removeAll(keepingCapacity: true)
        used = 0
    }

    /// Empties the batch and gives its memory back.
    func release() {
        rows = []
        used = 0
        bytes.deallocate()
        capacity = 16
        bytes = .allocate(byteCount: capacity, alignment: 16)
    }

    /// Makes room for `count` more bytes; `bytes` may move.
    public func reserve(_ count: Int) {
        guard used + count > capacity else { return }
        let larger = max(capacity * 2, used + count)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        moved.copyMemory(from: bytes, byteCount: used)
        bytes.deallocate()
        bytes = moved
        capacity = larger
    }

    @inline(__always)
    public func key(of row: borrowing InventoryRow) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + Int(row.keyOffset), count: Int(row.keyLength))
    }

    @inline(__always)
    public func versionId(of row: borrowing InventoryRow) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + Int(row.versionOffset), count: Int(row.versionLength))
    }

    @inline(__always)
    public func verbatimETag(of row: borrowing InventoryRow) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + Int(row.etagOffset), count: Int(row.etagLength))
    }
}

/// A stream of rows in key order (bytes ascending), all rows of one key adjacent.
///
/// Among the rows of one key the order is free; exact duplicates may occur. An inventory's damage, wherever it shows
/// (a checksum at the very end included), is thrown by `next()`: rows count only once `next()` has returned nil.
public protocol SortedRows: AnyObject {
    /// The next batch, or nil after the last; the batch returned before becomes invalid.
    func next() throws -> RowBatch?
}
