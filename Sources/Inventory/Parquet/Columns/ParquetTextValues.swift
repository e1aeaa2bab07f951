/// Texts as they are.
final class ParquetPlainTexts: ParquetValues {
    private var reader: ParquetPlainReader
    /// 0 if each says how long it is.
    private let length: Int

    init(_ bytes: UnsafeRawBufferPointer, _ column: ParquetFile.Wanted) {
        reader = ParquetPlainReader(bytes)
        length = column.length
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try vector.texts.withUnsafeMutableBufferPointer { target in
            guard let start = target.baseAddress else { return }
            if length == 0 {
                try reader.texts(count, into: start)
            } else {
                try reader.texts(count, ofLength: length, into: start)
            }
        }
    }

    var left: Int { reader.left }
}

/// Texts one after the other, behind all their lengths.
struct ParquetTextsBehindLengths {
    private var lengths: ParquetDelta
    private var position: UnsafePointer<UInt8>
    private(set) var left: Int

    init(_ bytes: UnsafeRawBufferPointer) throws {
        lengths = try ParquetDelta(bytes)
        let rest = try lengths.rest()
        position = rest.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? ByteSlice.nothing.start
        left = rest.count
    }

    /// Decodes the lengths of the next `count` texts.
    ///
    /// - Returns: where those texts are; they have been checked to be there.
    mutating func next(
        _ count: Int, lengths target: UnsafeMutablePointer<Int64>
    ) throws -> UnsafePointer<UInt8> {
        try lengths.decode(count, into: target)
        let sum = try ColumnarText.sum(target, count, limit: ParquetPageReader.pageLimit)
        guard sum <= left else { throw ParquetPlainReader.cut }
        defer {
            position += sum
            left -= sum
        }
        return position
    }
}

/// Texts behind their lengths.
final class ParquetDeltaLengthTexts: ParquetValues {
    private var texts: ParquetTextsBehindLengths

    init(_ bytes: UnsafeRawBufferPointer) throws {
        texts = try ParquetTextsBehindLengths(bytes)
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try vector.numbers.withUnsafeMutableBufferPointer { lengths in
            guard let lengths = lengths.baseAddress else { return }
            var position = try texts.next(count, lengths: lengths)
            vector.texts.withUnsafeMutableBufferPointer { target in
                for index in 0..<count {
                    let length = Int(lengths[index])
                    target[index] = ByteSlice(start: position, count: length)
                    position += length
                }
            }
        }
    }

    var left: Int { texts.left }
}

/// Texts of which each says how many bytes it shares with the one before, and what follows those.
final class ParquetDeltaTexts: ParquetValues {
    private var shared: ParquetDelta
    private var rests: ParquetTextsBehindLengths
    /// The texts of a batch, put together, and the last one of the batch before.
    private let whole: ColumnarBuffer
    private let last: ColumnarBuffer
    private var lastLength = 0

    init(_ bytes: UnsafeRawBufferPointer, _ memory: ColumnarMemory) throws {
        shared = try ParquetDelta(bytes)
        rests = try ParquetTextsBehindLengths(try shared.rest())
        whole = try ColumnarBuffer(0, memory)
        last = try ColumnarBuffer(0, memory)
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try withUnsafeTemporaryAllocation(of: Int64.self, capacity: count) { prefixes in
            guard let prefixes = prefixes.baseAddress else { return }
            try vector.numbers.withUnsafeMutableBufferPointer { lengths in
                guard let lengths = lengths.baseAddress else { return }
                try shared.decode(count, into: prefixes)
                let rest = try rests.next(count, lengths: lengths)
                try checkLengths(count, prefixes, lengths)
                try vector.texts.withUnsafeMutableBufferPointer { target in
                    guard let target = target.baseAddress else { return }
                    try join(count, prefixes, lengths, rest, into: target)
                }
            }
        }
    }

    /// Sees to it that no text shares more than there is, and makes room for all.
    private func checkLengths(
        _ count: Int, _ prefixes: UnsafePointer<Int64>, _ lengths: UnsafePointer<Int64>
    ) throws {
        var previous = Int64(lastLength)
        var sum = 0
        for index in 0..<count {
            guard prefixes[index] >= 0, prefixes[index] <= previous else {
                throw ColumnarProblem(
                    "has a text that shares \(prefixes[index]) bytes with one of \(previous)", row: index)
            }
            previous = prefixes[index] + lengths[index]
            guard previous <= ColumnarText.batchLimit else {
                throw ColumnarProblem("has a text of \(previous) bytes", row: index)
            }
            sum += Int(previous)
        }
        guard sum <= ColumnarText.batchLimit else { throw ColumnarProblem("has texts of together \(sum) bytes") }
        try whole.grow(to: sum, keeping: 0)
    }

    private func join(
        _ count: Int, _ prefixes: UnsafePointer<Int64>, _ lengths: UnsafePointer<Int64>, _ rest: UnsafePointer<UInt8>,
        into texts: UnsafeMutablePointer<ByteSlice>
    ) throws {
        var target = whole.bytes
        var previous = UnsafeRawPointer(last.bytes)
        var rest = UnsafeRawPointer(rest)
        for index in 0..<count {
            let (prefix, length) = (Int(prefixes[index]), Int(lengths[index]))
            target.copyMemory(from: previous, byteCount: prefix)
            (target + prefix).copyMemory(from: rest, byteCount: length)
            texts[index] = ByteSlice(
                start: UnsafePointer(target.assumingMemoryBound(to: UInt8.self)), count: prefix + length)
            previous = UnsafeRawPointer(target)
            target += prefix + length
            rest += length
        }
        guard count > 0 else { return }
        lastLength = texts[count - 1].count
        try last.grow(to: lastLength, keeping: 0)
        last.bytes.copyMemory(from: previous, byteCount: lastLength)
    }

    var left: Int { rests.left }
}
