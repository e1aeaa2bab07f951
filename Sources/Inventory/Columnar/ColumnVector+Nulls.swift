extension ColumnVector {
    /// Makes room for texts, where it is not there yet.
    func prepare(hasTexts: Bool) {
        guard hasTexts, texts.count < ColumnVector.capacity else { return }
        texts = ContiguousArray(repeating: ByteSlice.nothing, count: ColumnVector.capacity)
    }

    /// Moves values from the front to the rows that they belong to, and says which rows have none.
    ///
    /// - Parameters:
    ///   - valueCount: how many values there are.
    ///   - count: how many rows.
    ///   - flags: of each row whether it has a value: 0 or 1, as often 1 as there are values.
    func spread(_ valueCount: Int, over count: Int, _ flags: UnsafePointer<UInt8>, isText: Bool) {
        isNull.withUnsafeMutableBufferPointer { isNull in
            for row in 0..<count { isNull[row] = flags[row] == 0 }
        }
        if isText {
            texts.withUnsafeMutableBufferPointer { Self.spread($0, valueCount, count, flags, ByteSlice.nothing) }
        } else {
            numbers.withUnsafeMutableBufferPointer { Self.spread($0, valueCount, count, flags, 0) }
        }
    }

    @inline(__always)
    private static func spread<Value>(
        _ rows: UnsafeMutableBufferPointer<Value>, _ valueCount: Int, _ count: Int, _ flags: UnsafePointer<UInt8>,
        _ nothing: Value
    ) {
        var value = valueCount
        for row in stride(from: count - 1, through: 0, by: -1) {
            if flags[row] != 0 {
                value -= 1
                rows[row] = rows[value]
            } else {
                rows[row] = nothing
            }
        }
    }
}

extension ByteSlice {
    // Never written to, so that no bytes have an address, too.
    nonisolated(unsafe) private static let zeros: UnsafePointer<UInt8> = {
        let zeros = UnsafeMutablePointer<UInt8>.allocate(capacity: ColumnarBuffer.padding)
        zeros.initialize(repeating: 0, count: ColumnarBuffer.padding)
        return UnsafePointer(zeros)
    }()

    /// No bytes, followed by some that may be read.
    static var nothing: ByteSlice { ByteSlice(start: zeros, count: 0) }
}
