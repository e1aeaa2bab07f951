import Basics
import Glibc

/// Sorted rows in a temporary file: batches, each with a header of its row count and byte count, in this machine's byte
/// order. Written once, then read once.
final class SortedRun: RowSource {
    private let file: File
    private let directory: String
    private let batch = RowBatch(capacity: 1 << 16, rows: 512)
    private var offset = 0
    private var size = 0
    private var buffer = UnsafeMutableRawPointer.allocate(byteCount: SortedRun.bufferSize, alignment: 16)
    private var buffered = 0
    private static let bufferSize = 1 << 20

    /// About how many bytes of memory a run takes while it is merged.
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

    /// Ends writing, so that ``next()`` can read from the start.
    func finish() throws {
        if !batch.rows.isEmpty { try writeBatch() }
        try flush()
        // The large buffer is only for writing; many runs are read at once.
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
                throw IcecoreError(.system, "a temporary file in '\(directory)' was truncated while it was read")
            }
            done += count
            offset += count
        }
    }
}
