/// The values of which a chunk's pages give the numbers.
final class ParquetDictionary {
    let count: Int
    /// The page, in which the texts are.
    private let page: ColumnarBuffer
    /// A `ByteSlice` each, or an `Int64`, ready for use.
    private let entries: ColumnarBuffer
    /// The numbers of the rows that are being decoded.
    fileprivate let indices: UnsafeMutablePointer<UInt32>

    /// - Parameter buffer: has the page's bytes, and is kept.
    init(
        _ page: ParquetPageReader.Page, in buffer: ColumnarBuffer, _ column: ParquetFile.Wanted,
        _ memory: ColumnarMemory
    ) throws {
        let encoding = ParquetPageHeader.PageEncoding(rawValue: page.header.encoding)
        guard encoding == .plain || encoding == .plainDictionary, column.kind != .boolean else {
            throw ColumnarProblem(
                "has a dictionary in an encoding that Icecore does not read (\(page.header.encoding))",
                isUnsupported: true)
        }
        count = page.header.valueCount
        self.page = buffer
        let isText = column.kind == .text
        let isShort = column.physical == .int32
        // Nothing is allocated for entries for which there are no bytes.
        let least = isText ? (column.length > 0 ? column.length : 4) : isShort ? 4 : 8
        guard count <= page.bytes.count / least else { throw ParquetPlainReader.cut }
        entries = try ColumnarBuffer(
            count * (isText ? MemoryLayout<ByteSlice>.stride : MemoryLayout<Int64>.stride), memory)
        var reader = ParquetPlainReader(page.bytes)
        if isText {
            let target = entries.bytes.bindMemory(to: ByteSlice.self, capacity: count)
            if column.length > 0 {
                try reader.texts(count, ofLength: column.length, into: target)
            } else {
                try reader.texts(count, into: target)
            }
        } else {
            let target = entries.bytes.bindMemory(to: Int64.self, capacity: count)
            try reader.numbers(count, isShort: isShort, into: target)
            try ParquetNumberMeaning(column).apply(count, to: target)
        }
        indices = .allocate(capacity: ColumnVector.capacity)
        indices.initialize(repeating: 0, count: ColumnVector.capacity)
    }

    deinit { indices.deallocate() }

    /// Replaces numbers, which have been checked, by the values.
    fileprivate func look(up indices: UnsafePointer<UInt32>, _ count: Int, isText: Bool, into vector: ColumnVector) {
        if isText {
            let entries = UnsafePointer(self.entries.bytes.assumingMemoryBound(to: ByteSlice.self))
            vector.texts.withUnsafeMutableBufferPointer { texts in
                for index in 0..<count { texts[index] = entries[Int(indices[index])] }
            }
        } else {
            let entries = UnsafePointer(self.entries.bytes.assumingMemoryBound(to: Int64.self))
            vector.numbers.withUnsafeMutableBufferPointer { numbers in
                for index in 0..<count { numbers[index] = entries[Int(indices[index])] }
            }
        }
    }
}

/// Values that are numbers of a dictionary's.
final class ParquetDictionaryValues: ParquetValues {
    private let dictionary: ParquetDictionary
    private let isText: Bool
    private var runs: ParquetRuns

    /// - Parameter bytes: in front of the numbers stands how many bits each has; at least that has to be there.
    init(_ bytes: UnsafeRawBufferPointer, _ dictionary: ParquetDictionary, isText: Bool) throws {
        guard let width = bytes.first else { throw ParquetRuns.cut }
        guard width <= 32 else { throw ColumnarProblem("has numbers of a dictionary's of \(width) bits") }
        self.dictionary = dictionary
        self.isText = isText
        runs = ParquetRuns(UnsafeRawBufferPointer(rebasing: bytes.dropFirst()), width: Int(width))
    }

    func decode(_ count: Int, into vector: ColumnVector) throws {
        let indices = dictionary.indices
        try runs.decode(count, into: indices)
        var greatest: UInt32 = 0
        for index in 0..<count { greatest = max(greatest, indices[index]) }
        guard Int(greatest) < dictionary.count else {
            throw ColumnarProblem(
                "has a value that is number \(greatest) of a dictionary of \(dictionary.count)",
                row: (0..<count).first { indices[$0] == greatest })
        }
        dictionary.look(up: indices, count, isText: isText, into: vector)
    }

    var left: Int { 0 }
}
