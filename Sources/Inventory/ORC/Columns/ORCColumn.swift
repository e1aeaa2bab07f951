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
        } catch var problem as ColumnarProblem {
            problem.row = problem.row.map { row(ofValue: $0, among: count) }
            throw problem
        }
        guard vector.hasNulls else { return }
        vector.spread(valueCount, over: count, flags, isText: isText)
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
