/// A few thousand rows and the bytes that they point into. A consumer must finish with a batch before it asks for the
/// next one, because the memory is reused.
public final class RowBatch: @unchecked Sendable {
    // A batch belongs to one thread at a time: it is passed on, never shared.
    public var rows: ContiguousArray<InventoryRow> = []
    public private(set) var bytes: UnsafeMutableRawPointer
    public private(set) var capacity: Int
    /// How many of `bytes` are in use.
    public var used = 0

    /// - Parameter capacity: the initial room for variable bytes; it grows on demand.
    public init(capacity: Int = 1 << 18, rows: Int = 4096) {
        self.capacity = capacity
        bytes = .allocate(byteCount: capacity, alignment: 16)
        self.rows.reserveCapacity(rows)
    }

    deinit {
        bytes.deallocate()
    }

    /// Empties the batch, but keeps its memory.
    public func removeAll() {
        rows.removeAll(keepingCapacity: true)
        used = 0
    }

    /// Empties the batch and frees its memory.
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
