/// Decodes the values of a page, without the rows that have none.
protocol ParquetValues: AnyObject {
    /// Decodes the next `count` values, at least one, to the front of `vector`.
    func decode(_ count: Int, into vector: ColumnVector) throws
    /// How much is left that belongs to values, in bytes or values; not counting what only fills bytes or runs.
    var left: Int { get }
}

/// A wanted column in a row group: its pages, one at a time, and which rows have a value.
final class ParquetColumn {
    private let column: ParquetFile.Wanted
    private let pages: ParquetPageReader
    private let memory: ColumnarMemory
    private let page: ColumnarBuffer
    private var dictionary: ParquetDictionary?
    /// nil if the page has no bytes for values.
    private var values: (any ParquetValues)?
    /// nil if all rows have a value.
    private var levels: ParquetLevels?
    private let flags: UnsafeMutablePointer<UInt8>
    /// How many rows are in the pages that are still to come.
    private var unread: Int
    /// How many rows of the page are left.
    private(set) var left = 0
    /// Which page it is, counted from 1; the dictionary is one, too.
    private(set) var pageNumber = 0

    var name: [UInt8] { column.name }

    init(_ column: ParquetFile.Wanted, _ chunk: ParquetChunk, _ decompressor: ParquetDecompressor) throws {
        self.column = column
        memory = decompressor.memory
        unread = Int(chunk.valueCount)
        pages = try ParquetPageReader(chunk, decompressor)
        page = try ColumnarBuffer(0, memory)
        // Last: where an initializer throws, nobody would give it back.
        flags = .allocate(capacity: ColumnVector.capacity)
        flags.initialize(repeating: 1, count: ColumnVector.capacity)
    }

    deinit { flags.deallocate() }

    // MARK: - Pages

    /// Sees to it that rows of a page are left. There have to be some in the row group.
    func prepare() throws {
        while left == 0 {
            guard !pages.isAtEnd else { throw ColumnarProblem("has fewer values than rows") }
            pageNumber += 1
            try openPage()
        }
    }

    /// Makes sure that nothing follows the last row.
    func finish() throws {
        guard unread == 0, left == 0, pages.isAtEnd else { throw ColumnarProblem("has more values than rows") }
    }

    private func openPage() throws {
        let header = try pages.header()
        switch header.kind {
        case .dictionary:
            guard dictionary == nil else { throw ColumnarProblem("has two dictionaries") }
            let buffer = try ColumnarBuffer(0, memory)
            do {
                dictionary = try ParquetDictionary(try pages.page(header, into: buffer), in: buffer, column, memory)
            } catch var problem as ColumnarProblem {
                // It is not a row's.
                problem.row = nil
                throw problem
            }
        case .data, .dataV2:
            guard header.valueCount <= unread else { throw ColumnarProblem("has more values than rows") }
            // What the values before have taken is free again.
            (values, levels) = (nil, nil)
            try start(try pages.page(header, into: page))
            unread -= header.valueCount
            left = header.valueCount
        case .index, nil: pages.skip(header)
        }
    }

    /// Finds the levels and the values of a page.
    private func start(_ page: ParquetPageReader.Page) throws {
        var bytes = page.bytes
        let header = page.header
        if header.kind == .dataV2 {
            bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(header.repetitionLength))
            if column.isOptional {
                levels = ParquetLevels(UnsafeRawBufferPointer(rebasing: bytes.prefix(header.levelLength)))
            }
            bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(header.levelLength))
        } else if column.isOptional {
            guard header.levelEncoding == ParquetPageHeader.PageEncoding.runs.rawValue else {
                let name =
                    ParquetPageHeader.PageEncoding(rawValue: header.levelEncoding)?.name ?? "\(header.levelEncoding)"
                throw ColumnarProblem(
                    "has levels in the encoding \(name), which Icecore does not read,", isUnsupported: true)
            }
            let runs: UnsafeRawBufferPointer
            (runs, bytes) = try ParquetColumn.prefixed(bytes)
            levels = ParquetLevels(runs)
        }
        values = bytes.isEmpty ? nil : try decoder(bytes, header.encoding)
    }

    /// Splits bytes that say how long their first part is.
    static func prefixed(
        _ bytes: UnsafeRawBufferPointer
    ) throws -> (UnsafeRawBufferPointer, rest: UnsafeRawBufferPointer) {
        guard bytes.count >= 4 else { throw ParquetPlainReader.cut }
        let length = Int(UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)))
        guard length <= bytes.count - 4 else { throw ParquetPlainReader.cut }
        return (
            UnsafeRawBufferPointer(rebasing: bytes[4..<(4 + length)]),
            UnsafeRawBufferPointer(rebasing: bytes[(4 + length)...])
        )
    }

    private func decoder(_ bytes: UnsafeRawBufferPointer, _ number: Int64) throws -> any ParquetValues {
        let encoding = ParquetPageHeader.PageEncoding(rawValue: number)
        let isText = column.kind == .text
        switch (encoding, column.kind) {
        case (.plain, .text): return ParquetPlainTexts(bytes, column)
        case (.plain, .boolean): return ParquetPlainBooleans(bytes)
        case (.plain, _): return ParquetPlainNumbers(bytes, column)
        case (.runs, .boolean): return try ParquetBooleanRuns(bytes)
        case (.delta, .integer), (.delta, .time): return try ParquetDeltaNumbers(bytes, column)
        case (.deltaLengths, .text): return try ParquetDeltaLengthTexts(bytes)
        case (.deltaTexts, .text): return try ParquetDeltaTexts(bytes, memory)
        case (.dictionary, .text), (.plainDictionary, .text), (.dictionary, .integer), (.plainDictionary, .integer),
            (.dictionary, .time), (.plainDictionary, .time):
            guard let dictionary else { throw ColumnarProblem("has numbers of a dictionary's that is not there") }
            return try ParquetDictionaryValues(bytes, dictionary, isText: isText)
        default:
            let name = encoding?.name ?? "\(number)"
            throw ColumnarProblem(
                "has values in the encoding \(name), which Icecore does not read there,", isUnsupported: true)
        }
    }

    // MARK: - Rows

    /// Decodes the next `count` rows, of which so many are left of the page.
    func decode(_ count: Int, into vector: ColumnVector) throws {
        let isText = column.kind == .text
        vector.prepare(hasTexts: isText)
        let valueCount = try levels?.decode(count, into: flags) ?? count
        vector.hasNulls = valueCount < count
        do {
            if valueCount > 0 {
                guard let values else { throw ParquetPlainReader.cut }
                try values.decode(valueCount, into: vector)
            }
        } catch var problem as ColumnarProblem {
            problem.row = problem.row.map { row(ofValue: $0, among: count) }
            throw problem
        }
        left -= count
        if left == 0, let rest = values?.left, rest > 0 {
            throw ColumnarProblem("has a page with more values than it says")
        }
        if vector.hasNulls { vector.spread(valueCount, over: count, flags, isText: isText) }
    }

    private func row(ofValue index: Int, among count: Int) -> Int {
        guard levels != nil else { return index }
        var left = index
        for row in 0..<count where flags[row] != 0 {
            if left == 0 { return row }
            left -= 1
        }
        return count - 1
    }
}
