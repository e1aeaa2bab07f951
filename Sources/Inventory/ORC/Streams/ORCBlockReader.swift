import CZlib
import Glibc

/// Reads and decompresses the blocks of streams. One for all streams of a stripe: a block is decompressed at once and as a
/// whole, so that they can share what that takes.
final class ORCBlockReader {
    let memory: ColumnarMemory
    private let source: ColumnarSource
    let format: ORCBlockFormat
    /// What has been read and is not decompressed yet.
    private var compressed: ColumnarBuffer?
    private var inflater: UnsafeMutablePointer<z_stream>?

    /// In front of each block stand three bytes: its length, and in the lowest bit whether it is not compressed.
    private static let headerLength: Int64 = 3

    init(_ source: ColumnarSource, _ format: ORCBlockFormat, _ memory: ColumnarMemory) {
        self.source = source
        self.format = format
        self.memory = memory
    }

    deinit {
        if let inflater {
            inflateEnd(inflater)
            inflater.deallocate()
        }
    }

    /// Reads the block at `position` into `buffer`, from `start` on, and moves `position` behind it.
    ///
    /// - Parameters:
    ///   - end: where the stream ends; at least one byte behind `position`.
    ///   - kept: how many bytes of the buffer are kept when it has to grow.
    /// - Returns: how many bytes the block has.
    func read(
        _ position: inout Int64, to end: Int64, into buffer: ColumnarBuffer, at start: Int
    ) throws -> Int {
        if format.compression == .none {
            let count = Int(min(Int64(format.blockSize), end - position))
            try readBytes(count, at: position, into: buffer, at: start)
            position += Int64(count)
            return count
        }
        guard end - position > ORCBlockReader.headerLength else { throw ORCBlockReader.cut }
        var header: UInt32 = 0
        try withUnsafeMutableBytes(of: &header) {
            try source.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<3]), at: position)
        }
        header = UInt32(littleEndian: header)
        let count = Int(header >> 1)
        let next = position + ORCBlockReader.headerLength + Int64(count)
        guard next <= end else { throw ORCBlockReader.cut }
        guard count <= format.blockSize else { throw ORCBlockReader.tooLong }
        let content = position + ORCBlockReader.headerLength
        position = next
        if header & 1 == 1 {
            try readBytes(count, at: content, into: buffer, at: start)
            return count
        }
        let input = try compressedBytes(count, at: content)
        return format.compression == .zlib
            ? try inflate(input, into: buffer, at: start) : try unsnap(input, into: buffer, at: start)
    }

    private static let cut = ColumnarProblem("has a compressed block that ends too early")
    private static let tooLong = ColumnarProblem("has a compressed block that is longer than the file says blocks are")
    private static let broken = ColumnarProblem("has a compressed block that cannot be decompressed")

    private func readBytes(_ count: Int, at position: Int64, into buffer: ColumnarBuffer, at start: Int) throws {
        try buffer.grow(to: start + count, keeping: start)
        try source.read(into: UnsafeMutableRawBufferPointer(start: buffer.bytes + start, count: count), at: position)
    }

    private func compressedBytes(_ count: Int, at position: Int64) throws -> UnsafeRawBufferPointer {
        let buffer = try compressed ?? ColumnarBuffer(min(format.blockSize, 64 << 10), memory)
        compressed = buffer
        if count > buffer.capacity {
            try buffer.grow(to: min(format.blockSize, max(count, buffer.capacity * 2)), keeping: 0)
        }
        try source.read(into: UnsafeMutableRawBufferPointer(start: buffer.bytes, count: count), at: position)
        return UnsafeRawBufferPointer(start: buffer.bytes, count: count)
    }

    private func unsnap(_ input: UnsafeRawBufferPointer, into buffer: ColumnarBuffer, at start: Int) throws -> Int {
        guard let count = Snappy.decompressedLength(input) else { throw ORCBlockReader.broken }
        guard count <= format.blockSize else { throw ORCBlockReader.tooLong }
        try buffer.grow(to: start + count, keeping: start)
        let output = UnsafeMutableRawBufferPointer(start: buffer.bytes + start, count: count)
        guard Snappy.decompress(input, into: output) else { throw ORCBlockReader.broken }
        return count
    }

    private func inflate(_ input: UnsafeRawBufferPointer, into buffer: ColumnarBuffer, at start: Int) throws -> Int {
        let stream = try inflateStream()
        guard inflateReset(stream) == Z_OK else { throw ORCBlockReader.broken }
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(input.count)
        var done = 0
        while true {
            let room = min(buffer.capacity - start, format.blockSize) - done
            stream.pointee.next_out = (buffer.bytes + start + done).assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(room)
            let status = CZlib.inflate(stream, Z_FINISH)
            done += room - Int(stream.pointee.avail_out)
            switch status {
            case Z_STREAM_END:
                guard stream.pointee.avail_in == 0 else { throw ORCBlockReader.broken }
                return done
            case Z_OK, Z_BUF_ERROR:
                guard stream.pointee.avail_out == 0 else { throw ORCBlockReader.broken }
                guard done < format.blockSize else { throw ORCBlockReader.tooLong }
                try buffer.grow(to: start + min(format.blockSize, max(done * 2, 64 << 10)), keeping: start + done)
            default:
                throw ORCBlockReader.broken
            }
        }
    }

    /// zlib's state for data without a header or a checksum.
    private func inflateStream() throws -> UnsafeMutablePointer<z_stream> {
        if let inflater { return inflater }
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard inflateInit2_(stream, -15, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            stream.deallocate()
            throw ColumnarProblem("cannot be decompressed for lack of memory")
        }
        inflater = stream
        return stream
    }
}
