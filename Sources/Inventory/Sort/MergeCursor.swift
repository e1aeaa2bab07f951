import Glibc

/// A source in a merge, and the key that it has reached.
final class MergeCursor: Comparable {
    private let source: any RowSource
    private(set) var batch: RowBatch?
    /// The next row of the batch.
    var index = 0
    private let order: Int
    private(set) var key: ByteSlice
    /// The bytes of the first key of a source that has not been opened yet.
    private let expectedKey: UnsafeMutablePointer<UInt8>

    /// - Parameters:
    ///   - firstKey: the source is not opened before the merge has reached this key.
    ///   - order: decides between equal keys, so that sources are opened in order.
    init(_ source: any RowSource, firstKey: [UInt8], order: Int) {
        self.source = source
        self.order = order
        expectedKey = .allocate(capacity: max(1, firstKey.count))
        for (index, byte) in firstKey.enumerated() { expectedKey[index] = byte }
        key = ByteSlice(start: UnsafePointer(expectedKey), count: firstKey.count)
    }

    deinit {
        expectedKey.deallocate()
    }

    @inline(__always)
    static func < (left: MergeCursor, right: MergeCursor) -> Bool {
        let difference = memcmp(left.key.start, right.key.start, min(left.key.count, right.key.count))
        if difference != 0 { return difference < 0 }
        return left.key.count != right.key.count ? left.key.count < right.key.count : left.order < right.order
    }

    static func == (left: MergeCursor, right: MergeCursor) -> Bool {
        left === right
    }

    /// Moves to the next batch; false at the end.
    func loadBatch() throws -> Bool {
        repeat {
            batch = try source.next()
            guard batch != nil else { return false }
        } while batch?.rows.isEmpty ?? false
        index = 0
        updateKey()
        return true
    }

    /// Sets the key to that of the row at `index`.
    @inline(__always)
    func updateKey() {
        guard let batch, index < batch.rows.count else { return }
        key = batch.key(at: index)
    }
}
