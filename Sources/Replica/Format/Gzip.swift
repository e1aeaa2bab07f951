import Basics
import CZlib

/// Compression of pieces that fit into memory.
enum Gzip {
    /// - Returns: one gzip member.
    static func compress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        defer { stream.deallocate() }
        stream.initialize(to: z_stream())
        guard icecore_deflate_init_gzip(stream, 1) == Z_OK else { throw IcecoreError(.system, "zlib is out of memory") }
        defer { deflateEnd(stream) }
        let bound = Int(deflateBound(stream, UInt(bytes.count)))
        return try [UInt8](unsafeUninitializedCapacity: bound) { output, count in
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.pointee.avail_in = UInt32(bytes.count)
            stream.pointee.next_out = output.baseAddress
            stream.pointee.avail_out = UInt32(bound)
            guard deflate(stream, Z_FINISH) == Z_STREAM_END else {
                throw IcecoreError(.system, "zlib cannot compress")
            }
            count = bound - Int(stream.pointee.avail_out)
        }
    }

    /// - Parameters:
    ///   - size: how many bytes the result must have.
    ///   - place: of the data, for messages.
    static func decompress(_ bytes: [UInt8], size: Int64, _ place: String) throws -> [UInt8] {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        defer { stream.deallocate() }
        stream.initialize(to: z_stream())
        guard icecore_inflate_init_gzip(stream) == Z_OK else { throw IcecoreError(.system, "zlib is out of memory") }
        defer { inflateEnd(stream) }
        // One byte more, to notice a result that is too long.
        let room = Int(size) + 1
        var isComplete = false
        let result = bytes.withUnsafeBytes { input in
            [UInt8](unsafeUninitializedCapacity: room) { output, count in
                stream.pointee.next_in = UnsafeMutablePointer(
                    mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
                stream.pointee.avail_in = UInt32(input.count)
                stream.pointee.next_out = output.baseAddress
                stream.pointee.avail_out = UInt32(room)
                isComplete = inflate(stream, Z_FINISH) == Z_STREAM_END
                count = room - Int(stream.pointee.avail_out)
            }
        }
        guard isComplete, result.count == Int(size) else {
            throw IcecoreError(.damaged, "\(place) is damaged: it cannot be decompressed")
        }
        return result
    }
}
