/// What becomes of the numbers of a column, once they are decoded.
struct ParquetNumberMeaning {
    private let isShort: Bool
    private let meaning: ParquetSchema.ColumnMeaning

    /// Some 280,000 years, as in ORC.
    private static let latest: Int64 = 9_000_000_000_000_000

    init(_ column: ParquetFile.Wanted) {
        isShort = column.physical == .int32
        meaning = column.meaning
    }

    /// Turns numbers into what they mean: whole numbers, or milliseconds since 1970.
    func apply(_ count: Int, to numbers: UnsafeMutablePointer<Int64>) throws {
        switch meaning {
        case .time(let perMillisecond): try times(count, perMillisecond, numbers)
        case .unsigned where isShort:
            for index in 0..<count { numbers[index] &= 0xffff_ffff }
        case .unsigned:
            for index in 0..<count where numbers[index] < 0 {
                throw ColumnarProblem("has the number \(UInt64(bitPattern: numbers[index]))", row: index)
            }
        case .plain, .other:
            // Differences of short numbers may have gone beyond them.
            guard isShort else { return }
            for index in 0..<count { numbers[index] = Int64(Int32(truncatingIfNeeded: numbers[index])) }
        }
    }

    private func times(_ count: Int, _ perMillisecond: Int64, _ numbers: UnsafeMutablePointer<Int64>) throws {
        // A division by what the compiler knows is ten times as fast.
        switch perMillisecond {
        case 1: break
        case 1000: for index in 0..<count { numbers[index] = Self.floor(numbers[index], 1000) }
        default: for index in 0..<count { numbers[index] = Self.floor(numbers[index], 1_000_000) }
        }
        let range = -ParquetNumberMeaning.latest...ParquetNumberMeaning.latest
        for index in 0..<count where !range.contains(numbers[index]) {
            throw ColumnarProblem("has a time that no calendar has", row: index)
        }
    }

    @inline(__always)
    private static func floor(_ value: Int64, _ divisor: Int64) -> Int64 {
        value / divisor &- (value % divisor < 0 ? 1 : 0)
    }
}

/// Numbers as they are.
final class ParquetPlainNumbers: ParquetValues {
    private var reader: ParquetPlainReader
    private let isShort: Bool
    private let meaning: ParquetNumberMeaning

    init(_ bytes: UnsafeRawBufferPointer, _ column: ParquetFile.Wanted) {
        reader = ParquetPlainReader(bytes)
        isShort = column.physical == .int32
        meaning = ParquetNumberMeaning(column)
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try vector.numbers.withUnsafeMutableBufferPointer { target in
            guard let start = target.baseAddress else { return }
            try reader.numbers(count, isShort: isShort, into: start)
            try meaning.apply(count, to: start)
        }
    }

    var left: Int { reader.left }
}

/// Numbers that are written as differences.
final class ParquetDeltaNumbers: ParquetValues {
    private var delta: ParquetDelta
    private let meaning: ParquetNumberMeaning

    init(_ bytes: UnsafeRawBufferPointer, _ column: ParquetFile.Wanted) throws {
        delta = try ParquetDelta(bytes)
        meaning = ParquetNumberMeaning(column)
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try vector.numbers.withUnsafeMutableBufferPointer { target in
            guard let start = target.baseAddress else { return }
            try delta.decode(count, into: start)
            try meaning.apply(count, to: start)
        }
    }

    var left: Int { delta.left }
}
