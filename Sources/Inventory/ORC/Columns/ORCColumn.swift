/// Decodes the values of a column, without the rows that have none.
protocol ORCValues: AnyObject {
    /// Decodes the next `count` values, at least one, to the front of `vector`.
    func decode(_ count: Int, into vector: ColumnVector) throws
    /// Whether all values have been decoded.
    func isAtEnd() throws -> Bool
}

/// A wanted column in a stripe: its values, and which rows have one.
final class ORCColumn {
    let name: [UInt8]
    private let values: any ORCValues
    private let isText: Bool
    /// nil if all rows have a value.
    private let present: ORCBits?
    private let flags: UnsafeMutablePointer<UInt8>

    init(name: [UInt8], values: any ORCValues, isText: Bool, present: ORCBits?) {
        self.name = name
        self.values = values
        self.isText = isText
        self.present = present
        flags = .allocate(capacity: ColumnVector.capacity)
        flags.initialize(repeating: 1, count: ColumnVector.capacity)
    }

    deinit { flags.deallocate() }

    /// Decodes the next `count` rows.
    func decode(_ count: Int, into vector: ColumnVector) throws {
        vector.prepare(hasTexts: isText)
        let valueCount = try present?.decode(count, into: flags) ?? count
        vector.hasNulls = valueCount < count
        do {
            if valueCount > 0 { try values.decode(valueCount, into: vector) }
        } catch var problem as ORCProblem {
            problem.row = problem.row.map { row(ofValue: $0, among: count) }
            throw problem
        }
        guard vector.hasNulls else { return }
        let flags = self.flags
        vector.isNull.withUnsafeMutableBufferPointer { isNull in
            for row in 0..<count { isNull[row] = flags[row] == 0 }
        }
        if isText {
            vector.texts.withUnsafeMutableBufferPointer { spread($0, valueCount, over: count, ByteSlice.nothing) }
        } else {
            vector.numbers.withUnsafeMutableBufferPointer { spread($0, valueCount, over: count, 0) }
        }
    }

    /// Moves values from the front of the rows to the rows that they belong to.
    private func spread<Value>(
        _ rows: UnsafeMutableBufferPointer<Value>, _ valueCount: Int, over count: Int, _ nothing: Value
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

    private func row(ofValue index: Int, among count: Int) -> Int {
        guard present != nil else { return index }
        var left = index
        for row in 0..<count where flags[row] != 0 {
            if left == 0 { return row }
            left -= 1
        }
        return count - 1
    }

    func isAtEnd() throws -> Bool {
        guard try values.isAtEnd() else { return false }
        return try present?.isAtEnd() ?? true
    }
}

extension ByteSlice {
    /// No bytes, followed by some that may be read.
    static var nothing: ByteSlice { ByteSlice(start: ORCStream.nothing, count: 0) }
}

extension ColumnVector {
    /// Makes room for texts, where it is not there yet.
    fileprivate func prepare(hasTexts: Bool) {
        guard hasTexts, texts.count < ColumnVector.capacity else { return }
        texts = ContiguousArray(repeating: ByteSlice.nothing, count: ColumnVector.capacity)
    }
}
