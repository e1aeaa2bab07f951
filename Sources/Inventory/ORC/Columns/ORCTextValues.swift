/// What readers of texts have to bear in mind.
enum ORCText {
    /// No column of an inventory has texts of more than a kilobyte; 4096 rows of them are far below this.
    static let batchLimit = 16 << 20
    static let dictionaryLimit = 64 << 20

    /// The sum of lengths.
    ///
    /// - Throws: ``ORCProblem`` if it is more than `limit`.
    static func sum(_ lengths: UnsafePointer<Int64>, _ count: Int, limit: Int) throws -> Int {
        var sum = 0
        for index in 0..<count {
            let length = UInt64(bitPattern: lengths[index])
            guard length <= UInt64(limit) else {
                throw ORCProblem("has a text of \(length) bytes", row: index)
            }
            sum &+= Int(length)
        }
        // As many times the limit as there are lengths: no overflow.
        guard sum <= limit else { throw ORCProblem("has texts of together \(sum) bytes") }
        return sum
    }
}

/// Texts that stand one after the other.
final class ORCDirectValues: ORCValues {
    private let bytes: ORCStream
    private let lengths: any ORCIntegers
    /// Texts that are not all in one block.
    private let copy: ORCBuffer

    init(bytes: ORCStream, lengths: any ORCIntegers, memory: ORCMemory) throws {
        self.bytes = bytes
        self.lengths = lengths
        copy = try ORCBuffer(64 << 10, memory)
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        try vector.numbers.withUnsafeMutableBufferPointer { numbers in
            guard let numbers = numbers.baseAddress else { return }
            try lengths.decode(count, into: numbers)
            var position = try bytes.bytes(
                try ORCText.sum(numbers, count, limit: ORCText.batchLimit), copy: copy)
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
    private let memory: ORCMemory
    private var copy: ORCBuffer?
    private var entries: ORCBuffer?

    /// - Parameter size: how many texts the dictionary has.
    init(
        indices: any ORCIntegers, lengths: any ORCIntegers, bytes: ORCStream, size: UInt64, memory: ORCMemory
    ) throws {
        guard size <= UInt64(ORCText.dictionaryLimit) else { throw ORCProblem("has a dictionary of \(size) texts") }
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
                        throw ORCProblem("has a text that is number \(entry) of a dictionary of \(size)", row: index)
                    }
                    texts[index] = dictionary[Int(entry)]
                }
            }
        }
    }

    private func readDictionary() throws -> ORCBuffer {
        do {
            return try readEntries()
        } catch var problem as ORCProblem {
            // It is not a row's.
            problem.row = nil
            throw problem
        }
    }

    /// Reads the whole dictionary. It takes memory as it finds that the stream really has so many numbers.
    private func readEntries() throws -> ORCBuffer {
        let stride = MemoryLayout<Int64>.stride
        let lengthBuffer = try ORCBuffer(min(size, ColumnVector.capacity) * stride, memory)
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
            sum += try ORCText.sum(start, piece, limit: ORCText.dictionaryLimit)
            guard sum <= ORCText.dictionaryLimit else {
                throw ORCProblem("has a dictionary of more than \(ORCText.dictionaryLimit >> 20) MiB")
            }
            done += piece
        }
        let copy = try ORCBuffer(0, memory)
        self.copy = copy
        var position = try bytes.bytes(sum, copy: copy)
        let entries = try ORCBuffer(size * MemoryLayout<ByteSlice>.stride, memory)
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
