import Basics
import Glibc

/// Something that gives rows in key order, batch by batch; a batch is valid until the next one is asked for.
protocol RowSource: AnyObject {
    func next() throws -> RowBatch?
}

/// A source in a merge, and the key that it has come to.
final class Cursor {
    fileprivate let source: any RowSource
    fileprivate var batch: RowBatch?
    fileprivate var index = 0
    private let order: Int
    fileprivate private(set) var key: Field
    /// The bytes of the first key of a source that has not been opened yet.
    private let foretold: UnsafeMutablePointer<UInt8>

    /// - Parameters:
    ///   - firstKey: the source is not asked for rows before the merge has come to this key.
    ///   - order: decides between equal keys, so that sources are opened in their order.
    init(_ source: any RowSource, firstKey: [UInt8], order: Int) {
        self.source = source
        self.order = order
        foretold = .allocate(capacity: max(1, firstKey.count))
        for (index, byte) in firstKey.enumerated() { foretold[index] = byte }
        key = Field(start: UnsafePointer(foretold), count: firstKey.count)
    }

    deinit {
        foretold.deallocate()
    }

    @inline(__always)
    fileprivate func isBefore(_ other: Cursor) -> Bool {
        let count = min(key.count, other.key.count)
        let difference = memcmp(key.start, other.key.start, count)
        if difference != 0 { return difference < 0 }
        return key.count != other.key.count ? key.count < other.key.count : order < other.order
    }

    fileprivate var isOpen: Bool { batch != nil }

    /// Goes on to the next batch; false at the end.
    fileprivate func load() throws -> Bool {
        repeat {
            batch = try source.next()
            guard batch != nil else { return false }
        } while batch?.rows.isEmpty ?? false
        index = 0
        settle()
        return true
    }

    @inline(__always)
    fileprivate func settle() {
        guard let batch, index < batch.rows.count else { return }
        let start = batch.bytes.assumingMemoryBound(to: UInt8.self)
        batch.rows.withUnsafeBufferPointer { rows in
            key = Field(start: start + Int(rows[index].keyOffset), count: Int(rows[index].keyLength))
        }
    }
}

/// Merges sorted sources into one. Whole batches pass through as they are where no other source has rows in between.
final class Merge: RowSource {
    /// About how many rows, and bytes, a batch of mixed rows has.
    private static let batchRows = 2048
    private static let batchBytes = 256 << 10

    // A heap: the lowest key comes first.
    private var heap: [Cursor]
    private let output = RowBatch()
    /// Its batch has been handed out whole.
    private var lent: Cursor?
    /// How many of the sources are open.
    private(set) var openCount = 0
    private let mostOpen: Int

    /// - Parameter mostOpen: more sources than these overlapping are an ``UnsortedInventory``.
    init(_ cursors: [Cursor], mostOpen: Int = .max) {
        heap = cursors
        self.mostOpen = mostOpen
        for position in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(position) }
    }

    func next() throws -> RowBatch? {
        if let cursor = lent {
            lent = nil
            try advance(cursor)
        }
        output.removeAll()
        while let cursor = heap.first {
            guard cursor.isOpen, let batch = cursor.batch else {
                openCount += 1
                guard openCount <= mostOpen else { throw UnsortedInventory(file: nil, line: 0) }
                try advance(cursor)
                continue
            }
            let limit = secondKey
            let rows = batch.rows.count
            if cursor.index == 0, isWhole(batch, upTo: limit) {
                if !output.rows.isEmpty { return output }
                lent = cursor
                return batch
            }
            var end = cursor.index + 1
            if let limit {
                while end < rows, !isLess(limit, batch.field(end)) { end += 1 }
            } else {
                end = rows
            }
            output.append(batch, cursor.index..<end)
            cursor.index = end
            if end == rows {
                try advance(cursor)
            } else {
                cursor.settle()
                sink(0)
            }
            if output.rows.count >= Merge.batchRows || output.used >= Merge.batchBytes { return output }
        }
        return output.rows.isEmpty ? nil : output
    }

    private func isWhole(_ batch: RowBatch, upTo limit: Field?) -> Bool {
        guard let limit else { return true }
        return !isLess(limit, batch.field(batch.rows.count - 1))
    }

    /// The lowest key of all sources but the first.
    private var secondKey: Field? {
        switch heap.count {
        case ...1: nil
        case 2: heap[1].key
        default: isLess(heap[2].key, heap[1].key) ? heap[2].key : heap[1].key
        }
    }

    /// Loads the next batch of the first source, which leaves the heap at its end.
    private func advance(_ cursor: Cursor) throws {
        if try !cursor.load() {
            openCount -= 1
            let last = heap.removeLast()
            guard !heap.isEmpty else { return }
            heap[0] = last
        }
        sink(0)
    }

    private func sink(_ start: Int) {
        heap.withUnsafeMutableBufferPointer { heap in
            var position = start
            while true {
                var lowest = position
                let left = 2 * position + 1, right = left + 1
                if left < heap.count, heap[left].isBefore(heap[lowest]) { lowest = left }
                if right < heap.count, heap[right].isBefore(heap[lowest]) { lowest = right }
                if lowest == position { return }
                heap.swapAt(position, lowest)
                position = lowest
            }
        }
    }
}

extension RowBatch {
    @inline(__always)
    func field(_ index: Int) -> Field {
        let start = bytes.assumingMemoryBound(to: UInt8.self)
        return rows.withUnsafeBufferPointer { rows in
            Field(start: start + Int(rows[index].keyOffset), count: Int(rows[index].keyLength))
        }
    }

    /// Copies rows of another batch, and their bytes.
    func append(_ other: RowBatch, _ range: Range<Int>) {
        other.rows.withUnsafeBufferPointer { source in
            for index in range { append(source[index], bytes: other.bytes) }
        }
    }

    /// Copies one row, and its bytes, which follow each other: key, version id, ETag.
    @inline(__always)
    func append(_ row: InventoryRow, bytes source: UnsafeMutableRawPointer) {
        let length = row.byteCount
        reserve(length)
        memcpy(bytes + used, source + Int(row.keyOffset), length)
        var row = row
        row.keyOffset = UInt32(truncatingIfNeeded: used)
        row.versionOffset = row.keyOffset &+ row.keyLength
        row.etagOffset = row.versionOffset &+ row.versionLength
        rows.append(row)
        used += length
    }
}

extension InventoryRow {
    /// The length of key, version id and verbatim ETag, which the parser puts one after the other.
    @inline(__always)
    var byteCount: Int {
        Int(keyLength) + Int(versionLength) + Int(etagLength)
    }
}
