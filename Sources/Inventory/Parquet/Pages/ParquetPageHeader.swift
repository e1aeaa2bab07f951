/// What stands in front of a page.
struct ParquetPageHeader {
    enum Kind: Int64 {
        case data, index, dictionary, dataV2
    }

    /// How values are written, by the numbers that Parquet gives to that.
    enum PageEncoding: Int64 {
        case plain = 0
        case plainDictionary = 2
        case runs = 3
        case bitPacked = 4
        case delta = 5
        case deltaLengths = 6
        case deltaTexts = 7
        case dictionary = 8
        case splitBytes = 9

        /// As Parquet calls it.
        var name: String {
            switch self {
            case .plain: "PLAIN"
            case .plainDictionary: "PLAIN_DICTIONARY"
            case .runs: "RLE"
            case .bitPacked: "BIT_PACKED"
            case .delta: "DELTA_BINARY_PACKED"
            case .deltaLengths: "DELTA_LENGTH_BYTE_ARRAY"
            case .deltaTexts: "DELTA_BYTE_ARRAY"
            case .dictionary: "RLE_DICTIONARY"
            case .splitBytes: "BYTE_STREAM_SPLIT"
            }
        }
    }

    /// nil for one that is not known.
    private(set) var kind: Kind?
    /// How many bytes the page has, as it stands there and decompressed.
    private(set) var storedLength = -1
    private(set) var length = -1
    /// The CRC-32 of the page as it stands there.
    private(set) var checksum: UInt32?
    private(set) var valueCount = -1
    private(set) var encoding: Int64 = -1
    /// How is written which rows have a value; in the second version always in runs.
    private(set) var levelEncoding: Int64 = PageEncoding.runs.rawValue
    /// In the second version levels are apart from the values and not compressed: how many bytes they have.
    private(set) var levelLength = 0
    private(set) var repetitionLength = 0
    private(set) var isCompressed = true
    /// How many bytes the header itself has.
    private(set) var headerLength = 0

    /// - Parameter bytes: they begin with the header, and may end anywhere.
    init(_ bytes: UnsafeRawBufferPointer) throws {
        var message = ParquetMessage(bytes, what: "page header")
        try message.fields { message, number, wire in
            switch (number, wire) {
            case (1, _): kind = Kind(rawValue: try message.number(wire))
            case (2, _): length = try ParquetPageHeader.length(&message, wire)
            case (3, _): storedLength = try ParquetPageHeader.length(&message, wire)
            case (4, _): checksum = UInt32(truncatingIfNeeded: try message.number(wire))
            case (5, .record), (7, .record):
                try message.fields { message, number, wire in
                    switch number {
                    case 1: valueCount = try ParquetPageHeader.length(&message, wire)
                    case 2: encoding = try message.number(wire)
                    case 3 where wire != .yes && wire != .no: levelEncoding = try message.number(wire)
                    default: break
                    }
                }
            case (8, .record):
                try message.fields { message, number, wire in
                    switch number {
                    case 1: valueCount = try ParquetPageHeader.length(&message, wire)
                    case 4: encoding = try message.number(wire)
                    case 5: levelLength = try ParquetPageHeader.length(&message, wire)
                    case 6: repetitionLength = try ParquetPageHeader.length(&message, wire)
                    case 7: isCompressed = wire == .yes
                    default: break
                    }
                }
            default: break
            }
        }
        guard length >= 0, storedLength >= 0 else { throw ColumnarProblem("has a page of unknown length") }
        guard valueCount >= 0 || kind == .index || kind == nil else {
            throw ColumnarProblem("has a page that does not say how many values it has")
        }
        headerLength = message.position
    }

    private static func length(_ message: inout ParquetMessage, _ wire: ParquetMessage.Wire) throws -> Int {
        let number = try message.number(wire)
        guard number >= 0, number <= Int32.max else {
            throw ColumnarProblem("has a page header with \(number) where there should be a count")
        }
        return Int(number)
    }
}
