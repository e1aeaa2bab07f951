import CFuse3
import Glibc

/// The rows that were last looked up or listed, with their names, by node id, so that a node's row is found without
/// scanning its directory. A ring of records, the oldest overwritten first, and a table of where each is; both of fixed
/// size, taking memory only as they are used.
final class RowCache: @unchecked Sendable {
    private let lock = Lock()
    private let ring: UnsafeMutableRawPointer
    private let capacity: UInt64
    /// Where the next record goes, counted from the beginning of time: only its remainder is a place in the ring.
    private var head: UInt64
    private let table: UnsafeMutablePointer<UInt64>
    private let mask: Int
    private static let header = MemoryLayout<RowRecord>.stride

    /// - Parameters:
    ///   - bytes: of the ring; a power of two.
    ///   - places: in the table; a power of two.
    init(bytes: Int = 64 << 20, places: Int = 1 << 20) {
        // Allocations of this size are mappings: untouched pages cost nothing. Large pages make first use cheap.
        ring = .allocate(byteCount: bytes, alignment: 1 << 21)
        madvise(ring, bytes, MADV_HUGEPAGE)
        capacity = UInt64(bytes)
        head = UInt64(bytes)
        table = UnsafeMutableRawPointer(calloc(places, 8)).assumingMemoryBound(to: UInt64.self)
        mask = places - 1
    }

    deinit {
        ring.deallocate()
        free(table)
    }

    /// The first of the four places that a node may have: one cache line's half.
    @inline(__always)
    private func places(_ node: UInt64) -> Int {
        Int(truncatingIfNeeded: (node &* 0x9e37_79b9_7f4a_7c15) >> 32) & mask & ~3
    }

    /// Where the record of a node lies, counted from the beginning of time; nil if it is not (or no longer) there.
    @inline(__always)
    private func position(_ node: UInt64) -> UInt64? {
        let first = places(node)
        for place in first..<first + 4 {
            let position = table[place]
            guard position != 0, head - position <= capacity else { continue }
            if (ring + Int(position & (capacity - 1))).load(as: UInt64.self) == node { return position }
        }
        return nil
    }

    /// The record of a node as it lies in the ring.
    @inline(__always)
    private func stored(_ node: UInt64) -> UnsafeMutableRawPointer? {
        position(node).map { ring + Int($0 & (capacity - 1)) }
    }

    /// Remembers a row. The contents of a slot never change, so a record is never out of date.
    func insert(_ given: RowRecord, name: UnsafeRawBufferPointer) {
        guard name.count <= 4096, let start = name.baseAddress ?? UnsafeRawPointer(bitPattern: 8) else { return }
        var record = given
        record.nameCount = UInt16(name.count)
        let length = UInt64((RowCache.header + name.count + 15) & ~15)
        lock.withLock {
            let known = position(record.node)
            if let known, head - known < capacity / 2 { return }
            let rest = capacity - head & (capacity - 1)
            // A record lies in one piece. The end of the ring that is left over belongs to no position.
            if rest < length { head += rest }
            let target = ring + Int(head & (capacity - 1))
            target.storeBytes(of: record, as: RowRecord.self)
            (target + RowCache.header).copyMemory(from: start, byteCount: name.count)
            // Its own place, or the one of the record that will be overwritten first.
            let first = places(record.node)
            var place = first
            for other in first..<first + 4 {
                if let known, table[other] == known {
                    place = other
                    break
                }
                if table[other] < table[place] { place = other }
            }
            table[place] = head
            head += length
        }
    }

    /// The record of a node, and its row's name in the index into `name`.
    func find(_ node: UInt64, name: inout [UInt8]) -> RowRecord? {
        lock.withLock {
            guard let record = stored(node) else { return nil }
            let found = record.load(as: RowRecord.self)
            name.removeAll(keepingCapacity: true)
            name.append(
                contentsOf: UnsafeRawBufferPointer(start: record + RowCache.header, count: Int(found.nameCount)))
            return found
        }
    }
}
