/// Decodes numbers of up to 32 bits each, in runs of which some repeat a number and others have each, packed: levels,
/// numbers of a dictionary's, and booleans.
struct ParquetRuns {
    private var position: UnsafePointer<UInt8>
    private var end: UnsafePointer<UInt8>
    private let width: Int
    /// How many numbers of the run are left.
    private var left = 0
    private var isPacked = false
    private var value: UInt32 = 0
    /// Where in a packed run the next number begins.
    private var bit = 0

    /// - Parameters:
    ///   - bytes: at least ``ColumnarBuffer/padding`` bytes behind them can be read.
    ///   - width: how many bits a number has; up to 32.
    init(_ bytes: UnsafeRawBufferPointer, width: Int) {
        position = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? ByteSlice.nothing.start
        end = position + bytes.count
        self.width = width
    }

    static let cut = ColumnarProblem("has a run of numbers that ends too early")
    private static let badRun = ColumnarProblem("has a run of numbers that makes no sense")

    private mutating func startRun() throws {
        var header: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard position < end else { throw ParquetRuns.cut }
            guard shift < 35 else { throw ParquetRuns.badRun }
            let byte = position.pointee
            position += 1
            header |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { break }
            shift += 7
        }
        isPacked = header & 1 == 1
        if isPacked {
            // Some writers leave out what would only pad the last run.
            let available = (end - position) * 8
            let count = Int(header >> 1) * 8
            left = width == 0 ? count : min(count, available / width)
            guard left > 0 || count == 0 else { throw ParquetRuns.cut }
            bit = 0
        } else {
            left = Int(header >> 1)
            let length = (width + 7) >> 3
            guard end - position >= length else { throw ParquetRuns.cut }
            value = 0
            for index in 0..<length { value |= UInt32(position[index]) &<< UInt32(8 * index) }
            position += length
            guard width == 32 || value >> UInt32(width) == 0 else { throw ParquetRuns.badRun }
        }
    }

    /// Decodes the next `count` numbers; ``Number`` has room for them.
    @inline(__always)
    mutating func decode<Number: FixedWidthInteger & UnsignedInteger>(
        _ count: Int, into target: UnsafeMutablePointer<Number>
    ) throws {
        var done = 0
        while done < count {
            if left == 0 {
                try startRun()
                // A run without numbers is of no use, but has taken at least a byte.
                continue
            }
            let piece = min(left, count - done)
            if isPacked {
                unpack(piece, into: target + done)
            } else {
                (target + done).update(repeating: Number(truncatingIfNeeded: value), count: piece)
            }
            done += piece
            left -= piece
        }
    }

    @inline(__always)
    private mutating func unpack<Number: FixedWidthInteger & UnsignedInteger>(
        _ count: Int, into target: UnsafeMutablePointer<Number>
    ) {
        let bytes = UnsafeRawPointer(position)
        let mask = UInt64(1) &<< UInt64(width) &- 1
        let width = self.width
        var bit = self.bit
        // At most 7 bits in front of a number of at most 32: it lies in one word. The last word may reach behind the run,
        // where the buffer has room.
        for index in 0..<count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: bit &>> 3, as: UInt64.self))
            target[index] = Number(truncatingIfNeeded: word &>> UInt64(bit & 7) & mask)
            bit &+= width
        }
        self.bit = bit
        // The run is over: runs begin with whole bytes.
        if count == left { position += (bit + 7) >> 3 }
    }
}

/// Which rows of a page have a value.
struct ParquetLevels {
    private var runs: ParquetRuns

    init(_ bytes: UnsafeRawBufferPointer) {
        runs = ParquetRuns(bytes, width: 1)
    }

    /// Decodes the flags of the next `count` rows, each to a byte 0 or 1.
    ///
    /// - Returns: how many of them are 1.
    mutating func decode(_ count: Int, into target: UnsafeMutablePointer<UInt8>) throws -> Int {
        try runs.decode(count, into: target)
        var sum = 0
        for index in 0..<count { sum &+= Int(target[index]) }
        return sum
    }
}
