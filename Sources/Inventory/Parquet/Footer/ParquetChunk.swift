import Basics

/// Where in a row group the values of one column are: its pages, one after the other.
struct ParquetChunk {
    /// How pages are compressed.
    enum Codec {
        case none, snappy, gzip
    }

    var start: Int64 = 0
    var end: Int64 = 0
    var valueCount: Int64 = 0
    var codec = Codec.none
}

/// A row group: how many rows it has, and the chunks of the wanted columns, in the order in which those are wanted.
struct ParquetRowGroup {
    var rowCount: Int64 = 0
    var chunks: [ParquetChunk?] = []

    /// - Parameters:
    ///   - columns: those that are wanted; nil for one that the file does not have.
    ///   - leafCount: how many columns the file has.
    ///   - end: where the pages of a file end at the latest.
    ///   - number: its own, counted from 1, for sentences.
    /// - Throws: ``ColumnarProblem``, or ``ColumnarDamage`` where it is that of a column.
    init(
        _ message: inout ParquetMessage, columns: [ParquetFile.Wanted?], leafCount: Int, end: Int64, number: Int
    ) throws {
        chunks = columns.map { _ in nil }
        var count = 0
        var hasColumns = false
        try message.fields { message, field, wire in
            switch field {
            case 1:
                guard !hasColumns else { throw ColumnarProblem("has two lists of columns") }
                hasColumns = true
                try message.elements(of: wire) { message, wire in
                    defer { count += 1 }
                    guard let place = columns.firstIndex(where: { $0?.number == count }), let column = columns[place]
                    else {
                        _ = try message.skipped(wire)
                        return
                    }
                    do {
                        chunks[place] = try ParquetChunk(&message, wire, column, end: end)
                    } catch let problem as ColumnarProblem {
                        throw problem.damage(in: "column '\(Display.text(column.name))' of row group \(number)")
                    }
                }
            case 3: rowCount = try message.count(wire)
            default: break
            }
        }
        guard count == leafCount else {
            throw ColumnarProblem("has \(count.of("column")) where the file has \(leafCount)")
        }
        // Two that are wanted may be one of the file's.
        for (place, column) in columns.enumerated() where chunks[place] == nil {
            guard let column else { continue }
            chunks[place] = columns.firstIndex { $0?.number == column.number }.flatMap { chunks[$0] }
        }
        for (chunk, column) in zip(chunks, columns) {
            guard let chunk, let column, chunk.valueCount != rowCount else { continue }
            throw ColumnarProblem("has \(chunk.valueCount.of("value")) for \(rowCount.of("row"))")
                .damage(in: "column '\(Display.text(column.name))' of row group \(number)")
        }
    }
}

extension ParquetChunk {
    fileprivate init(
        _ message: inout ParquetMessage, _ wire: ParquetMessage.Wire, _ column: ParquetFile.Wanted, end: Int64
    ) throws {
        guard wire == .record else { throw ParquetChunk.noChunk }
        var isEncrypted = false
        var isElsewhere = false
        var fields = ChunkFields()
        try message.fields { message, number, wire in
            switch number {
            case 1: isElsewhere = !(try message.text(wire)).isEmpty
            case 3:
                guard wire == .record else { throw ParquetChunk.noChunk }
                try fields.read(&message)
            case 8, 9: isEncrypted = true
            default: break
            }
        }
        guard !isEncrypted else {
            throw ColumnarProblem("is encrypted, which Icecore does not read,", isUnsupported: true)
        }
        guard !isElsewhere else {
            throw ColumnarProblem("has its values in another file, which Icecore does not read,", isUnsupported: true)
        }
        guard let physical = fields.physical, let codecNumber = fields.codec, let values = fields.valueCount,
            let length = fields.length, let dataStart = fields.dataStart
        else { throw ColumnarProblem("does not say where its values are") }
        guard physical == column.physical.rawValue else {
            throw ColumnarProblem("has values of another type than \(column.physical.name)")
        }
        codec = try ParquetChunk.codec(codecNumber)
        valueCount = values
        // Of no values it does not matter where they are, and writers say anything.
        guard values > 0 else { return }
        // Writers that have no dictionary say that it is at 0.
        start = fields.dictionaryStart > 0 ? min(fields.dictionaryStart, dataStart) : dataStart
        guard start >= 4, start <= end, length <= end - start, dataStart - start <= length else {
            throw ColumnarProblem("has pages that do not lie in the file")
        }
        self.end = start + length
    }

    /// What of a chunk's metadata is of use.
    private struct ChunkFields {
        var physical: Int64?
        var codec: Int64?
        var valueCount: Int64?
        var length: Int64?
        var dataStart: Int64?
        var dictionaryStart: Int64 = 0

        mutating func read(_ message: inout ParquetMessage) throws {
            try message.fields { message, number, wire in
                switch number {
                case 1: physical = try message.number(wire)
                case 4: codec = try message.number(wire)
                case 5: valueCount = try message.count(wire)
                case 7: length = try message.count(wire)
                case 9: dataStart = try message.count(wire)
                case 11: dictionaryStart = try message.count(wire)
                default: break
                }
            }
        }
    }

    private static let noChunk = ColumnarProblem("does not say where its values are")

    private static func codec(_ number: Int64) throws -> Codec {
        switch number {
        case 0: return .none
        case 1: return .snappy
        case 2: return .gzip
        default:
            let names: [Int64: String] = [3: "LZO", 4: "BROTLI", 5: "LZ4", 6: "ZSTD", 7: "LZ4_RAW"]
            let name = names[number] ?? "an unknown way (\(number))"
            throw ColumnarProblem(
                "is compressed with \(name), which Icecore does not read: it reads GZIP, Snappy and uncompressed,",
                isUnsupported: true)
        }
    }
}
