/// The bytes of one stream, of which there is no more than a block in memory.
final class ORCStream {
    private let blocks: ORCBlockReader
    private var nextBlock: Int64
    private let end: Int64
    private var buffer: ColumnarBuffer?
    /// The bytes that are there and not used yet.
    private(set) var position: UnsafePointer<UInt8>
    private(set) var limit: UnsafePointer<UInt8>

    /// The longest piece that ``need(_:)`` gives: as long as the longest run of numbers, 512 of eight bytes, with
    /// everything that belongs to it.
    static let pieceLimit = 8 << 10
    /// Nothing is moved for less: small blocks are collected.
    private static let leastRoom = 64 << 10

    /// - Parameters:
    ///   - start: where in the file it begins.
    ///   - end: where it ends.
    init(blocks: ORCBlockReader, from start: Int64, to end: Int64) {
        self.blocks = blocks
        nextBlock = start
        self.end = end
        position = ByteSlice.nothing.start
        limit = ByteSlice.nothing.start
    }

    static let cut = ColumnarProblem("has a stream that ends too early")

    @inline(__always)
    var available: Int { limit - position }

    /// Whether all has been used.
    func isAtEnd() throws -> Bool { try !fill(1) }

    /// Uses bytes that are there.
    @inline(__always)
    func advance(to position: UnsafePointer<UInt8>) {
        self.position = position
    }

    /// Sees to it that so many bytes follow `position`, at most ``pieceLimit``.
    @inline(__always)
    func need(_ count: Int) throws {
        if available < count, try !fill(count) { throw ORCStream.cut }
    }

    /// The same, but near the end of the stream there may be less.
    @inline(__always)
    func prepare(_ count: Int) throws {
        if available < count { _ = try fill(count) }
    }

    @inline(__always)
    func byte() throws -> UInt8 {
        try need(1)
        let byte = position.pointee
        position += 1
        return byte
    }

    /// A number in groups of seven bits.
    func varint() throws -> UInt64 {
        try prepare(10)
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < limit, shift < 64 {
            let byte = position.pointee
            position += 1
            value |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw shift < 64 ? ORCStream.cut : ColumnarProblem("has a number that is too long")
    }

    private func fill(_ count: Int) throws -> Bool {
        while available < count {
            guard nextBlock < end else { return false }
            try readBlock()
        }
        return true
    }

    /// Reads the next block behind what is left. What was in the buffer before may be gone.
    private func readBlock() throws {
        let rest = available
        let room = min(blocks.format.blockSize, 256 << 10)
        let buffer = try buffer ?? ColumnarBuffer(ORCStream.pieceLimit + max(room, ORCStream.leastRoom), blocks.memory)
        self.buffer = buffer
        let start = UnsafePointer(buffer.bytes.assumingMemoryBound(to: UInt8.self))
        var offset = limit == ByteSlice.nothing.start ? 0 : limit - start
        if buffer.capacity - offset < blocks.format.blockSize {
            // What is left moves to the front, so that the buffer need not become larger than a block and a piece.
            if rest > 0 { buffer.bytes.copyMemory(from: position, byteCount: rest) }
            offset = rest
        }
        let count = try blocks.read(&nextBlock, to: end, into: buffer, at: offset)
        let moved = UnsafePointer(buffer.bytes.assumingMemoryBound(to: UInt8.self))
        position = moved + offset - rest
        limit = moved + offset + count
    }

    /// Hands on the next `count` bytes, which stay where they are until the next call; from `copy`, if they are not all in
    /// one block.
    func bytes(_ count: Int, copy: ColumnarBuffer) throws -> UnsafePointer<UInt8> {
        if available >= count {
            let start = position
            position += count
            return start
        }
        var done = 0
        // It grows with what is really there, not with what is asked for.
        while done < count {
            if available == 0, try !fill(1) { throw ORCStream.cut }
            let piece = min(available, count - done)
            if done + piece > copy.capacity {
                try copy.grow(to: min(count, max(done + piece, copy.capacity * 2)), keeping: done)
            }
            (copy.bytes + done).copyMemory(from: position, byteCount: piece)
            position += piece
            done += piece
        }
        return UnsafePointer(copy.bytes.assumingMemoryBound(to: UInt8.self))
    }

    /// Reads all of a stream that is a document.
    ///
    /// - Parameter what: what it is, for a sentence.
    func withAll<Value>(limit: Int, what: String, _ body: (UnsafeRawBufferPointer) throws -> Value) throws -> Value {
        let copy = try ColumnarBuffer(4096, blocks.memory)
        var count = 0
        while try !isAtEnd() {
            let piece = available
            guard count + piece <= limit else { throw ColumnarProblem("has a \(what) of more than \(limit >> 20) MiB") }
            if count + piece > copy.capacity {
                try copy.grow(to: max(count + piece, min(limit, copy.capacity * 2)), keeping: count)
            }
            (copy.bytes + count).copyMemory(from: position, byteCount: piece)
            count += piece
            position += piece
        }
        return try body(UnsafeRawBufferPointer(start: copy.bytes, count: count))
    }
}
