import Basics
import Glibc

/// Sorted rows in a temporary file: batches, each with a header of its row count and its bytes, in this machine's own
/// byte order. Written once, then read once.
final class SortedRun: RowSource {
    private let file: File
    private let directory: String
    private let batch = RowBatch(capacity: 1 << 16, rows: 512)
    private var offset = 0
    private var size = 0
    private var buffer = UnsafeMutableRawPointer.allocate(byteCount: SortedRun.bufferSize, alignment: 16)
    private var buffered = 0
    private static let bufferSize = 1 << 20

    /// About how much memory a run needs while it is being merged.
    static let memory = 384 << 10
    private static let batchBytes = 128 << 10

    init(directory: String) throws {
        self.directory = directory
        file = try File.unnamed(in: directory)
    }

    deinit {
        buffer.deallocate()
    }

    private static let stride = MemoryLayout<InventoryRow>.stride

    /// Appends one row; ``finish()`` follows the last.
    @inline(__always)
    func append(_ row: InventoryRow, bytes: UnsafeMutableRawPointer) throws {
        batch.append(row, bytes: bytes)
        if batch.used + batch.rows.count * SortedRun.stride >= SortedRun.batchBytes { try writeBatch() }
    }

    func append(_ other: RowBatch) throws {
        for index in other.rows.indices { try append(other.rows[index], bytes: other.bytes) }
    }

    /// Ends the writing, so that ``next()`` can read from the start.
    func finish() throws {
        if !batch.rows.isEmpty { try writeBatch() }
        try flush()
        // Only for writing; many runs are read at once.
        buffer.deallocate()
        buffer = .allocate(byteCount: 16, alignment: 16)
        offset = 0
    }

    private func writeBatch() throws {
        try withUnsafeBytes(of: (UInt64(batch.rows.count), UInt64(batch.used))) { try write($0) }
        try batch.rows.withUnsafeBytes { try write($0) }
        try write(UnsafeRawBufferPointer(start: batch.bytes, count: batch.used))
        batch.removeAll()
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = min(rest.count, SortedRun.bufferSize - buffered)
            if let base = rest.baseAddress { memcpy(buffer + buffered, base, count) }
            buffered += count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            if buffered == SortedRun.bufferSize { try flush() }
        }
    }

    private func flush() throws {
        var done = 0
        while done < buffered {
            let count = try systemCall("cannot write a temporary file in", directory) {
                Glibc.write(file.descriptor, buffer + done, buffered - done)
            }
            done += count
        }
        size += buffered
        buffered = 0
    }

    func next() throws -> RowBatch? {
        guard offset < size else { return nil }
        var header: (rows: UInt64, bytes: UInt64) = (0, 0)
        try withUnsafeMutableBytes(of: &header) { try read($0) }
        let rows = Int(truncatingIfNeeded: header.rows), bytes = Int(truncatingIfNeeded: header.bytes)
        batch.removeAll()
        batch.reserve(bytes)
        batch.rows.append(contentsOf: repeatElement(blank, count: rows))
        try batch.rows.withUnsafeMutableBytes { try read($0) }
        try read(UnsafeMutableRawBufferPointer(start: batch.bytes, count: bytes))
        batch.used = bytes
        return batch
    }

    private let blank = InventoryRow(
        keyOffset: 0, keyLength: 0, versionOffset: 0, versionLength: 0, etagOffset: 0, etagLength: 0, etagHigh: 0,
        etagLow: 0, etagParts: 0, flags: [], size: 0, lastModified: Timestamp(milliseconds: 0), file: 0, line: 0)

    private func read(_ bytes: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < bytes.count {
            let count = try systemCall("cannot read a temporary file in", directory) {
                pread(file.descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset))
            }
            guard count > 0 else {
                throw IcecoreError(.system, "a temporary file in '\(directory)' has become shorter while it was read")
            }
            done += count
            offset += count
        }
    }
}

/// Sorts rows in any order by their keys, in bounded memory: sorted runs in temporary files, then a merge of them.
final class ExternalSort {
    /// The most runs that are merged at once; with more, some are merged into longer ones first.
    private let fanIn: Int
    private let directory: String
    private let memory: Int
    /// What is to be sorted next. It points into 4 GiB at most.
    private let arena: RowBatch
    // By how often their rows have been merged: a file is open for each, so their number is bounded too.
    private var levels: [[SortedRun]] = []

    init(directory: String, memory: Int, fanIn: Int = 128) {
        self.directory = directory
        self.memory = min(max(memory, 1 << 16), 1 << 31)
        self.fanIn = max(2, min(fanIn, memory / SortedRun.memory))
        arena = RowBatch(capacity: 1 << 16, rows: 256)
    }

    private struct Entry {
        /// Eight bytes of the key after what all keys have in common.
        var prefix: UInt64
        var row: UInt32
    }

    private static let rowMemory = MemoryLayout<InventoryRow>.stride + MemoryLayout<Entry>.stride

    /// Takes the rows of a batch; they are copied.
    func add(_ batch: RowBatch) throws {
        let needed = batch.used + batch.rows.count * ExternalSort.rowMemory
        let taken = arena.used + arena.rows.count * ExternalSort.rowMemory
        if !arena.rows.isEmpty, taken + needed > memory { try writeRun() }
        if arena.rows.isEmpty {
            // To grow by doubling would need the memory three times.
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
            // Just as many of the first ones, which are the shortest, as bring their number down to the fan-in.
            let count = min(fanIn, runs.count - fanIn + 1)
            let merged = try merge(Array(runs[..<count]))
            runs.removeFirst(count)
            runs.append(merged)
        }
        arena.release()
        return Merge(runs.enumerated().map { Cursor($1, firstKey: [], order: $0) })
    }

    private func writeRun() throws {
        let rows = arena.rows.count
        let run = try SortedRun(directory: directory)
        let bytes = arena.bytes.assumingMemoryBound(to: UInt8.self)
        try arena.rows.withUnsafeBufferPointer { source in
            let common = commonPrefix(source, bytes)
            var entries = ContiguousArray<Entry>()
            entries.reserveCapacity(rows)
            for index in 0..<rows {
                let start = bytes + Int(source[index].keyOffset) + common
                let length = Int(source[index].keyLength) - common
                var prefix: UInt64 = 0
                for place in 0..<8 { prefix = prefix << 8 | (place < length ? UInt64(start[place]) : 0) }
                entries.append(Entry(prefix: prefix, row: UInt32(truncatingIfNeeded: index)))
            }
            func key(_ entry: Entry) -> Field {
                let row = source[Int(entry.row)]
                return Field(start: bytes + Int(row.keyOffset), count: Int(row.keyLength))
            }
            entries.sort { left, right in
                left.prefix != right.prefix ? left.prefix < right.prefix : isLess(key(left), key(right))
            }
            var written = 0
            for entry in entries {
                try run.append(source[Int(entry.row)], bytes: arena.bytes)
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
        let source = Merge(runs.enumerated().map { Cursor($1, firstKey: [], order: $0) })
        while let batch = try source.next() {
            try Interruption.check()
            try merged.append(batch)
        }
        try merged.finish()
        return merged
    }
}
