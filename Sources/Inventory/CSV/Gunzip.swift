import Basics
import CZlib

/// A piece of a compressed file. Reused.
final class Chunk {
    static let capacity = 128 << 10
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: Chunk.capacity, alignment: 16)
    var count = 0
    /// How many of the bytes have been inflated.
    var position = 0

    deinit { bytes.deallocate() }
}

/// A piece of a decompressed file, with room before it for the end of the piece before, and after it for a sentinel.
final class Block {
    static let capacity = 256 << 10
    static let headroom = 16 << 10
    static let padding = 64
    let bytes = UnsafeMutableRawPointer.allocate(
        byteCount: Block.headroom + Block.capacity + Block.padding, alignment: 16)
    var count = 0

    deinit { bytes.deallocate() }
}

/// Decompresses gzip piece by piece: any number of members, zeros after the last one passed over as padding.
final class Gunzip {
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private var betweenMembers = true
    private var anyMember = false
    /// zlib may hold output for which there was no room: it has to be called once more, even without input.
    private(set) var holdsOutput = false

    init() {
        stream.initialize(to: z_stream())
        icecore_inflate_init_gzip(stream)
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Inflates from `chunk` into `block` until one is used up or the other full.
    ///
    /// - Returns: nil, or what is wrong with the data, as the end of a sentence.
    func inflate(_ chunk: Chunk, into block: Block) -> String? {
        while chunk.position < chunk.count || holdsOutput, block.count < Block.capacity {
            let input = (chunk.bytes + chunk.position).assumingMemoryBound(to: UInt8.self)
            if betweenMembers {
                if anyMember, input.pointee == 0 {
                    chunk.position += 1
                    continue
                }
                betweenMembers = false
                anyMember = true
            }
            let available = chunk.count - chunk.position
            let room = Block.capacity - block.count
            stream.pointee.next_in = input
            stream.pointee.avail_in = UInt32(available)
            stream.pointee.next_out = (block.bytes + Block.headroom + block.count).assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(room)
            let status = CZlib.inflate(stream, Z_NO_FLUSH)
            chunk.position += available - Int(stream.pointee.avail_in)
            block.count += room - Int(stream.pointee.avail_out)
            holdsOutput = stream.pointee.avail_out == 0 && status != Z_STREAM_END
            switch status {
            case Z_OK, Z_BUF_ERROR:
                break
            case Z_STREAM_END:
                inflateReset(stream)
                betweenMembers = true
            case Z_DATA_ERROR:
                return stream.pointee.msg.map { "is not valid gzip (\(String(cString: $0)))" } ?? "is not valid gzip"
            default:
                return "cannot be decompressed (zlib's status \(status))"
            }
        }
        return nil
    }

    /// What is wrong when no more data come; nil where they were complete.
    func problemAtEnd() -> String? {
        if !anyMember { return "is empty, not even gzip" }
        return betweenMembers ? nil : "is truncated: its gzip data end too early"
    }
}
