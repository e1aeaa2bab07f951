/// Texts that stand one after the other.
final class ORCDirectValues: ORCValues {
    private let bytes: ORCStream
    private let lengths: any ORCIntegers
    /// Texts that are not all in one block.
    private let copy: ColumnarBuffer

    init(bytes: ORCStream, lengths: any ORCIntegers, memory: ColumnarMemory) throws {
        self.bytes = bytes
        self.lengths = lengths
        copy = try ColumnarBuffer(64 << 10, memory)
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try vector.numbers.withUnsafeMutableBufferPointer { numbers in
            guard let numbers = numbers.baseAddress else { return }
            try lengths.decode(count, into: numbers)
            var position = try bytes.bytes(
                try ColumnarText.sum(numbers, count, limit: ColumnarText.batchLimit), copy: copy)
            vector.texts.withUnsafeMutableBufferPointer { texts in
                for index in 0..<count {
                    let length = Int(numbers[index])
                    texts[index] = ByteSlice(start: position, count: length)
                    position += length
                }
            }
        }
    }

    func isAtEnd() throws -> Bool { try lengths.isAtEnd() && bytes.isAtEnd() }
}

/// Texts that are numbers of a dictionary's.
final class ORCDictionaryValues: ORCValues {
    private let indices: any ORCIntegers
    private let lengths: any ORCIntegers
    private let bytes: ORCStream
    private let size: Int
    private let memory: ColumnarMemory
    private var copy: ColumnarBuffer?
    private var entries: ColumnarBuffer?

    /// - Parameter size: how many texts the dictionary has.
    init(
        indices: any ORCIntegers, lengths: any ORCIntegers, bytes: ORCStream, size: UInt64, memory: ColumnarMemory
    ) throws {
        guard size <= UInt64(ColumnarText.dictionaryLimit) else {
            throw ColumnarProblem("has a dictionary of \(size) texts")
        }
        self.indices = indices
        self.lengths = lengths
        self.bytes = bytes
        self.size = Int(size)
        self.memory = memory
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        let entries = try self.entries ?? readDictionary()
        self.entries = entries
        let dictionary = UnsafePointer(entries.bytes.assumingMemoryBound(to: ByteSlice.self))
        let size = UInt64(self.size)
        try vector.numbers.withUnsafeMutableBufferPointer { numbers in
            guard let numbers = numbers.baseAddress else { return }
            try indices.decode(count, into: numbers)
            try vector.texts.withUnsafeMutableBufferPointer { texts in
                for index in 0..<count {
                    let entry = UInt64(bitPattern: numbers[index])
                    guard entry < size else {
                        throw ColumnarProblem(
                            "has a text that is number \(entry) of a dictionary of \(size)", row: index)
                    }
                    texts[index] = dictionary[Int(entry)]
                }
            }
        }
    }

    private func readDictionary() throws -> ColumnarBuffer {
        do {
            return try readEntries()
        } catch var problem as ColumnarProblem {
            // It is not a row's.
            problem.row = nil
            throw problem
        }
    }

    /// Reads the whole dictionary. It takes memory as it finds that the stream really has so many numbers.
    private func readEntries() throws -> ColumnarBuffer {
        let stride = MemoryLayout<Int64>.stride
        let lengthBuffer = try ColumnarBuffer(min(size, ColumnVector.capacity) * stride, memory)
        var sum = 0
        var done = 0
        while done < size {
            let piece = min(size - done, ColumnVector.capacity)
            if (done + piece) * stride > lengthBuffer.capacity {
                let wanted = max(done + piece, min(size, done * 2))
                try lengthBuffer.grow(to: wanted * stride, keeping: done * stride)
            }
            let start = lengthBuffer.bytes.assumingMemoryBound(to: Int64.self) + done
            try lengths.decode(piece, into: start)
            sum += try ColumnarText.sum(start, piece, limit: ColumnarText.dictionaryLimit)
            guard sum <= ColumnarText.dictionaryLimit else {
                throw ColumnarProblem("has a dictionary of more than \(ColumnarText.dictionaryLimit >> 20) MiB")
            }
            done += piece
        }
        let copy = try ColumnarBuffer(0, memory)
        self.copy = copy
        var position = try bytes.bytes(sum, copy: copy)
        let entries = try ColumnarBuffer(size * MemoryLayout<ByteSlice>.stride, memory)
        let lengths = UnsafePointer(lengthBuffer.bytes.assumingMemoryBound(to: Int64.self))
        let target = entries.bytes.assumingMemoryBound(to: ByteSlice.self)
        for index in 0..<size {
            let length = Int(lengths[index])
            (target + index).initialize(to: ByteSlice(start: position, count: length))
            position += length
        }
        return entries
    }

    func isAtEnd() throws -> Bool { try indices.isAtEnd() }
}
