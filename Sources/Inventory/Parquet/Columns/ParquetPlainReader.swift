/// Reads values that stand one after the other as they are.
struct ParquetPlainReader {
    private var position: UnsafePointer<UInt8>
    private let end: UnsafePointer<UInt8>

    static let cut = ColumnarProblem("has a page that ends before its values do")

    init(_ bytes: UnsafeRawBufferPointer) {
        position = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? ByteSlice.nothing.start
        end = position + bytes.count
    }

    /// How many bytes are left.
    var left: Int { end - position }

    /// Texts that each say how long they are.
    mutating func texts(_ count: Int, into target: UnsafeMutablePointer<ByteSlice>) throws {
        var position = self.position
        for index in 0..<count {
            guard end - position >= 4 else { throw ParquetPlainReader.cut }
            let length = Int(UInt32(littleEndian: UnsafeRawPointer(position).loadUnaligned(as: UInt32.self)))
            position += 4
            guard length <= end - position else {
                throw ColumnarProblem("has a text of \(length) bytes, longer than its page", row: index)
            }
            target[index] = ByteSlice(start: position, count: length)
            position += length
        }
        self.position = position
    }

    /// Texts that are all of one length.
    mutating func texts(_ count: Int, ofLength length: Int, into target: UnsafeMutablePointer<ByteSlice>) throws {
        guard left / length >= count else { throw ParquetPlainReader.cut }
        for index in 0..<count {
            target[index] = ByteSlice(start: position, count: length)
            position += length
        }
    }

    /// Numbers of four bytes, or of eight.
    mutating func numbers(_ count: Int, isShort: Bool, into target: UnsafeMutablePointer<Int64>) throws {
        let length = isShort ? 4 : 8
        guard left / length >= count else { throw ParquetPlainReader.cut }
        let bytes = UnsafeRawPointer(position)
        if isShort {
            for index in 0..<count {
                target[index] = Int64(
                    Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: index &* 4, as: Int32.self)))
            }
        } else {
            for index in 0..<count {
                target[index] = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: index &* 8, as: Int64.self))
            }
        }
        position += count * length
    }
}
