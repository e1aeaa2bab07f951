/// The values of smallint, int and bigint columns.
final class ORCNumberValues: ORCValues {
    private let numbers: any ORCIntegers

    init(_ numbers: any ORCIntegers) {
        self.numbers = numbers
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try vector.numbers.withUnsafeMutableBufferPointer { target in
            guard let start = target.baseAddress else { return }
            try numbers.decode(count, into: start)
        }
    }

    func isAtEnd() throws -> Bool { try numbers.isAtEnd() }
}

/// The values of tinyint columns.
final class ORCTinyValues: ORCValues {
    private let bytes: ORCByteRuns

    init(_ bytes: ORCByteRuns) {
        self.bytes = bytes
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { values in
            guard let start = values.baseAddress else { return }
            try bytes.decode(count, into: start)
            vector.numbers.withUnsafeMutableBufferPointer { target in
                for index in 0..<count { target[index] = Int64(Int8(bitPattern: start[index])) }
            }
        }
    }

    func isAtEnd() throws -> Bool { try bytes.isAtEnd() }
}

/// The values of boolean columns.
final class ORCBooleanValues: ORCValues {
    private let bits: ORCBits

    init(_ bits: ORCBits) {
        self.bits = bits
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { values in
            guard let start = values.baseAddress else { return }
            _ = try bits.decode(count, into: start)
            vector.numbers.withUnsafeMutableBufferPointer { target in
                for index in 0..<count { target[index] = Int64(start[index]) }
            }
        }
    }

    func isAtEnd() throws -> Bool { try bits.isAtEnd() }
}

/// The values of timestamp columns: seconds, and parts of seconds.
final class ORCTimeValues: ORCValues {
    private let seconds: any ORCIntegers
    private let nanoseconds: any ORCIntegers

    /// Seconds are counted from 2015, in UTC.
    private static let base: Int64 = 1_420_070_400
    /// Some 280,000 years: milliseconds of that are far from overflowing.
    private static let latest: Int64 = 9_000_000_000_000

    init(seconds: any ORCIntegers, nanoseconds: any ORCIntegers) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try vector.numbers.withUnsafeMutableBufferPointer { target in
            guard let start = target.baseAddress else { return }
            try seconds.decode(count, into: start)
            try withUnsafeTemporaryAllocation(of: Int64.self, capacity: count) { parts in
                guard let parts = parts.baseAddress else { return }
                try nanoseconds.decode(count, into: parts)
                for index in 0..<count { start[index] = try Self.milliseconds(start[index], parts[index], index) }
            }
        }
    }

    /// 10 to the power of how many zeros have been left out at a number's end, by the code for that.
    private static let powers: [UInt64] = [
        1, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000,
    ]

    @inline(__always)
    private static func milliseconds(_ seconds: Int64, _ part: Int64, _ index: Int) throws -> Int64 {
        guard (-latest...latest).contains(seconds) else {
            throw ColumnarProblem("has a time that no calendar has", row: index)
        }
        var second = seconds + base
        let part = UInt64(bitPattern: part)
        if part == 0 { return second * 1000 }
        guard part >> 3 < 1_000_000_000 else {
            throw ColumnarProblem("has a time with too many nanoseconds", row: index)
        }
        let nanoseconds = part >> 3 * powers[Int(part & 7)]
        guard nanoseconds < 1_000_000_000 else {
            throw ColumnarProblem("has a time with too many nanoseconds", row: index)
        }
        // Seconds are rounded towards 1970, as Java does it, where the milliseconds are not 0.
        if second < 0, nanoseconds > 999_999 { second -= 1 }
        return second * 1000 + Int64(nanoseconds / 1_000_000)
    }

    func isAtEnd() throws -> Bool { try seconds.isAtEnd() && nanoseconds.isAtEnd() }
}
