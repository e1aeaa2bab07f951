/// Booleans, of which each byte has eight, the lowest bit first.
final class ParquetPlainBooleans: ParquetValues {
    private let bytes: UnsafeRawBufferPointer
    private var bit = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        guard let start = bytes.baseAddress, count <= bytes.count * 8 - bit else { throw ParquetPlainReader.cut }
        let first = bit
        vector.numbers.withUnsafeMutableBufferPointer { target in
            for index in 0..<count {
                let place = first &+ index
                let byte = start.load(fromByteOffset: place &>> 3, as: UInt8.self)
                target[index] = Int64(byte &>> UInt8(place & 7) & 1)
            }
        }
        bit += count
    }

    // What fills the last byte is nobody's.
    var left: Int { 0 }
}

/// Booleans in runs.
final class ParquetBooleanRuns: ParquetValues {
    private var runs: ParquetRuns

    /// - Parameter bytes: in front of the runs stands how long they are.
    init(_ bytes: UnsafeRawBufferPointer) throws {
        runs = ParquetRuns(try ParquetColumn.prefixed(bytes).0, width: 1)
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { flags in
            guard let start = flags.baseAddress else { return }
            try runs.decode(count, into: start)
            vector.numbers.withUnsafeMutableBufferPointer { target in
                for index in 0..<count { target[index] = Int64(start[index]) }
            }
        }
    }

    var left: Int { 0 }
}
