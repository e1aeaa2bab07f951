/// Decodes whole numbers that are written as what each is more than the one before: blocks that begin with the least such
/// difference, and are divided into pieces, each packed in as many bits as it needs.
struct ParquetDelta {
    private var position: UnsafePointer<UInt8>
    private let end: UnsafePointer<UInt8>
    private var pieceCount = 0
    private var pieceLength = 0
    /// How many numbers there are still to come.
    private(set) var left = 0
    private var isFirst = true
    private var value: UInt64 = 0
    private var least: UInt64 = 0
    /// How many bits a difference has in each piece of the block.
    private var widths: UnsafePointer<UInt8>
    private var piece = 0
    /// Of the piece: how many differences are left, where it begins, and where the next of them does.
    private var pieceLeft = 0
    private var width = 0
    private var packed: UnsafePointer<UInt8>
    private var bit = 0

    private static let cut = ColumnarProblem("has a block of differences that ends too early")
    private static let badBlock = ColumnarProblem("has a block of differences that makes no sense")
    /// Writers make blocks of 128.
    private static let longestBlock: UInt64 = 1 << 16

    /// - Parameter bytes: at least ``ColumnarBuffer/padding`` bytes behind them can be read.
    init(_ bytes: UnsafeRawBufferPointer) throws {
        position = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? ByteSlice.nothing.start
        end = position + bytes.count
        widths = position
        packed = position
        let blockLength = try varint()
        let pieces = try varint()
        let count = try varint()
        value = UInt64(bitPattern: unZigzag(try varint()))
        guard blockLength > 0, blockLength <= ParquetDelta.longestBlock, pieces > 0, blockLength % pieces == 0,
            blockLength / pieces % 8 == 0, count <= UInt32.max
        else { throw ParquetDelta.badBlock }
        pieceCount = Int(pieces)
        pieceLength = Int(blockLength / pieces)
        piece = pieceCount
        left = Int(count)
    }

    private mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < end, shift < 64 {
            let byte = position.pointee
            position += 1
            value |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw shift < 64 ? ParquetDelta.cut : ParquetDelta.badBlock
    }

    /// Goes on to the next piece, which is in the next block if this one is over. There have to be numbers left.
    private mutating func startPiece() throws {
        if piece == pieceCount {
            least = UInt64(bitPattern: unZigzag(try varint()))
            guard end - position >= pieceCount else { throw ParquetDelta.cut }
            widths = position
            position += pieceCount
            piece = 0
        }
        width = Int(widths[piece])
        guard width <= 64 else { throw ParquetDelta.badBlock }
        piece += 1
        pieceLeft = min(pieceLength, left)
        // Pieces are as long as others, also where numbers are missing at the end; not all writers see to that.
        let needed = (pieceLeft * width + 7) >> 3
        guard end - position >= needed else { throw ParquetDelta.cut }
        packed = position
        bit = 0
        position += min(end - position, (pieceLength * width) >> 3)
    }

    /// Decodes the next `count` numbers, of which so many have to be left.
    mutating func decode(_ count: Int, into target: UnsafeMutablePointer<Int64>) throws {
        guard count <= left else { throw ColumnarProblem("has fewer values in a page than it says") }
        var done = 0
        if isFirst, count > 0 {
            isFirst = false
            target[0] = Int64(bitPattern: value)
            done = 1
            left -= 1
        }
        while done < count {
            if pieceLeft == 0 { try startPiece() }
            let some = min(pieceLeft, count - done)
            unpack(some, into: target + done)
            done += some
            pieceLeft -= some
            left -= some
        }
    }

    @inline(__always)
    private mutating func unpack(_ count: Int, into target: UnsafeMutablePointer<Int64>) {
        let bytes = UnsafeRawPointer(packed)
        let mask = width == 64 ? UInt64.max : UInt64(1) &<< UInt64(width) &- 1
        let (width, least) = (self.width, self.least)
        var (bit, value) = (self.bit, self.value)
        if width <= 56 {
            // At most 7 bits in front of a difference of at most 56: it lies in one word. The last word may reach behind
            // the page, where the buffer has room.
            for index in 0..<count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: bit &>> 3, as: UInt64.self))
                value = value &+ least &+ (word &>> UInt64(bit & 7) & mask)
                target[index] = Int64(bitPattern: value)
                bit &+= width
            }
        } else {
            for index in 0..<count {
                let low = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: bit &>> 3, as: UInt64.self))
                let high = UInt64(bytes.load(fromByteOffset: bit &>> 3 &+ 8, as: UInt8.self))
                let shift = UInt64(bit & 7)
                let word = low &>> shift | (shift == 0 ? 0 : high &<< (64 &- shift))
                value = value &+ least &+ (word & mask)
                target[index] = Int64(bitPattern: value)
                bit &+= width
            }
        }
        (self.bit, self.value) = (bit, value)
    }

    /// What follows the numbers, without decoding them.
    func rest() throws -> UnsafeRawBufferPointer {
        var copy = self
        if copy.isFirst, copy.left > 0 {
            copy.isFirst = false
            copy.left -= 1
        }
        copy.left -= copy.pieceLeft
        while copy.left > 0 {
            try copy.startPiece()
            copy.left -= copy.pieceLeft
        }
        // The pieces of a block that have no numbers any more have no bytes either, whatever width they are given.
        return UnsafeRawBufferPointer(start: copy.position, count: copy.end - copy.position)
    }
}
