import CZlib
import Glibc

/// Decompresses pages. One for all columns of a row group: a page is decompressed at once and as a whole, so that they can
/// share what that takes.
final class ParquetDecompressor {
    let memory: ColumnarMemory
    private let source: ColumnarSource
    /// What has been read and is not decompressed yet.
    private var compressed: ColumnarBuffer?
    private var inflater: UnsafeMutablePointer<z_stream>?

    static let broken = ColumnarProblem("has a page that cannot be decompressed")

    init(_ source: ColumnarSource, _ memory: ColumnarMemory) {
        self.source = source
        self.memory = memory
    }

    deinit {
        if let inflater {
            inflateEnd(inflater)
            inflater.deallocate()
        }
    }

    /// Reads bytes that are valid until the next call.
    func read(_ count: Int, at position: Int64) throws -> UnsafeRawBufferPointer {
        let buffer = try compressed ?? ColumnarBuffer(max(count, 64 << 10), memory)
        compressed = buffer
        try buffer.grow(to: count, keeping: 0)
        try source.read(into: UnsafeMutableRawBufferPointer(start: buffer.bytes, count: count), at: position)
        return UnsafeRawBufferPointer(start: buffer.bytes, count: count)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws {
        try source.read(into: buffer, at: position)
    }

    /// Decompresses a page, which has to give as many bytes as there is room for.
    func decompress(
        _ input: UnsafeRawBufferPointer, _ codec: ParquetChunk.Codec, into output: UnsafeMutableRawBufferPointer
    ) throws {
        switch codec {
        case .snappy:
            guard Snappy.decompress(input, into: output) else { throw ParquetDecompressor.broken }
        case .gzip: try inflate(input, into: output)
        case .none:
            guard input.count == output.count else {
                throw ColumnarProblem("has a page of \(input.count) bytes that says that it has \(output.count)")
            }
            output.copyMemory(from: input)
        }
    }

    /// Any number of members, one after the other.
    private func inflate(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws {
        let stream = try inflateStream()
        guard inflateReset(stream) == Z_OK else { throw ParquetDecompressor.broken }
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(output.count)
        while true {
            // Everything is there: whatever does not come to an end, never will.
            guard CZlib.inflate(stream, Z_FINISH) == Z_STREAM_END else { throw ParquetDecompressor.broken }
            if stream.pointee.avail_in == 0 { break }
            guard inflateReset(stream) == Z_OK else { throw ParquetDecompressor.broken }
        }
        guard stream.pointee.avail_out == 0 else { throw ParquetDecompressor.broken }
    }

    /// zlib's state for gzip, and for zlib's own format, which old writers took for it.
    private func inflateStream() throws -> UnsafeMutablePointer<z_stream> {
        if let inflater { return inflater }
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard inflateInit2_(stream, 15 + 32, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            stream.deallocate()
            throw ColumnarProblem("cannot be decompressed for lack of memory")
        }
        inflater = stream
        return stream
    }
}
