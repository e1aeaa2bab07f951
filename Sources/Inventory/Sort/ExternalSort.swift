import Basics
import Glibc

/// Sorts rows by key in bounded memory: sorted runs in temporary files, then a merge of them.
final class ExternalSort {
    /// The most runs that are merged at once; if there are more, some are merged into longer ones first.
    private let fanIn: Int
    private let directory: String
    private let memory: Int
    /// The rows to sort next; at most 4 GiB, which its offsets can address.
    private let arena: RowBatch
    // By how often their rows have been merged. Each is an open file, so their number is bounded too.
    private var levels: [[SortedRun]] = []

    init(directory: String, memory: Int, fanIn: Int = 128) {
        self.directory = directory
        self.memory = min(max(memory, 1 << 16), 1 << 31)
        self.fanIn = max(2, min(fanIn, memory / SortedRun.memory))
        arena = RowBatch(capacity: 1 << 16, rows: 256)
    }

    private struct SortKey {
        /// Eight bytes of the key after the prefix that all keys share.
        var prefix: UInt64
        var row: UInt32
    }

    private static let rowMemory = MemoryLayout<InventoryRow>.stride + MemoryLayout<SortKey>.stride

    /// Adds the rows of a batch, which are copied.
    func add(_ batch: RowBatch) throws {
        let needed = batch.used + batch.rows.count * ExternalSort.rowMemory
        let taken = arena.used + arena.rows.count * ExternalSort.rowMemory
        if !arena.rows.isEmpty, taken + needed > memory { try writeRun() }
        if arena.rows.isEmpty {
            // Growing by doubling would need three times the memory.
            arena.reserve(memory)
            arena.rows.reserveCapacity(memory / ExternalSort.rowMemory)
        }
        arena.append(batch, 0..<batch.rows.count)
    }

    /// All rows that have been added, in order.
    func finish() throws -> any RowSource {
        if !arena.rows.isEmpty { try writeRun() }
        var runs = levels.flatMap { $0 }
        levels = []
        while runs.count > fanIn {
            // Of the first ones, which are the shortest, just enough to bring the number down to the fan-in.
            let count = min(fanIn, runs.count - fanIn + 1)
            let merged = try merge(Array(runs[..<count]))
            runs.removeFirst(count)
            runs.append(merged)
        }
        arena.release()
        return SortedMerge(runs.enumerated().map { MergeCursor($1, firstKey: [], order: $0) })
    }

    private func writeRun() throws {
        let rows = arena.rows.count
        let run = try SortedRun(directory: directory)
        let bytes = arena.bytes.assumingMemoryBound(to: UInt8.self)
        try arena.rows.withUnsafeBufferPointer { source in
            let common = commonPrefix(source, bytes)
            var keys = ContiguousArray<SortKey>()
            keys.reserveCapacity(rows)
            for index in 0..<rows {
                let start = bytes + Int(source[index].keyOffset) + common
                let length = Int(source[index].keyLength) - common
                var prefix: UInt64 = 0
                for place in 0..<8 { prefix = prefix << 8 | (place < length ? UInt64(start[place]) : 0) }
                keys.append(SortKey(prefix: prefix, row: UInt32(truncatingIfNeeded: index)))
            }
            func bytesOf(_ key: SortKey) -> ByteSlice {
                let row = source[Int(key.row)]
                return ByteSlice(start: bytes + Int(row.keyOffset), count: Int(row.keyLength))
            }
            keys.sort { left, right in
                left.prefix != right.prefix ? left.prefix < right.prefix : bytesOf(left).precedes(bytesOf(right))
            }
            var written = 0
            for key in keys {
                try run.append(source[Int(key.row)], bytes: arena.bytes)
                written &+= 1
                if written & 0xFFFF == 0 { try Interruption.check() }
            }
        }
        try run.finish()
        arena.removeAll()
        try keep(run, level: 0)
    }

    private func commonPrefix(_ rows: UnsafeBufferPointer<InventoryRow>, _ bytes: UnsafeMutablePointer<UInt8>) -> Int {
        guard let first = rows.first else { return 0 }
        let model = bytes + Int(first.keyOffset)
        var common = Int(first.keyLength)
        for row in rows {
            let key = bytes + Int(row.keyOffset)
            common = min(common, Int(row.keyLength))
            if memcmp(model, key, common) != 0 {
                var length = 0
                while length < common, model[length] == key[length] { length += 1 }
                common = length
            }
        }
        return common
    }

    private func keep(_ run: SortedRun, level: Int) throws {
        if levels.count == level { levels.append([]) }
        levels[level].append(run)
        guard levels[level].count >= fanIn else { return }
        let runs = levels[level]
        levels[level] = []
        try keep(merge(runs), level: level + 1)
    }

    private func merge(_ runs: [SortedRun]) throws -> SortedRun {
        let merged = try SortedRun(directory: directory)
        let source = SortedMerge(runs.enumerated().map { MergeCursor($1, firstKey: [], order: $0) })
        while let batch = try source.next() {
            try Interruption.check()
            try merged.append(batch)
        }
        try merged.finish()
        return merged
    }
}
