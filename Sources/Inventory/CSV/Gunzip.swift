import CZlib

/// Decompresses gzip piece by piece: any number of members; zeros after the last one count as padding.
final class Gunzip {
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private var betweenMembers = true
    private var anyMember = false
    /// zlib may hold back output for lack of room: it has to be called once more, even without input.
    private(set) var holdsOutput = false

    init() {
        stream.initialize(to: z_stream())
        icecore_inflate_init_gzip(stream)
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Inflates from `chunk` into `block` until the one is used up or the other is full.
    ///
    /// - Returns: what is wrong with the data, as the end of a sentence; nil if nothing is.
    func inflate(_ chunk: CompressedChunk, into block: TextBlock) -> String? {
        while chunk.position < chunk.count || holdsOutput, block.count < TextBlock.capacity {
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
            let room = TextBlock.capacity - block.count
            stream.pointee.next_in = input
            stream.pointee.avail_in = UInt32(available)
            stream.pointee.next_out = (block.bytes + TextBlock.headroom + block.count).assumingMemoryBound(
                to: UInt8.self)
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

    /// What is wrong if the data end here; nil if they are complete.
    func problemAtEnd() -> String? {
        if !anyMember { return "is empty, not even gzip" }
        return betweenMembers ? nil : "is truncated: its gzip data end too early"
    }
}
