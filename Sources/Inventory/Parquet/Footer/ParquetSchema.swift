import Basics

/// The columns of a Parquet file, as its footer tells of them: a tree, of which only the leaves have values.
struct ParquetSchema {
    /// What the values of a column are, physically.
    enum Physical: Int64 {
        case boolean, int32, int64, int96, float, double, byteArray, fixed

        /// As it is called in Parquet's own schemas.
        var name: String {
            switch self {
            case .boolean: "BOOLEAN"
            case .int32: "INT32"
            case .int64: "INT64"
            case .int96: "INT96"
            case .float: "FLOAT"
            case .double: "DOUBLE"
            case .byteArray: "BYTE_ARRAY"
            case .fixed: "FIXED_LEN_BYTE_ARRAY"
            }
        }
    }

    /// What they mean.
    enum ColumnMeaning: Equatable {
        case plain, unsigned
        /// A time, counted from 1970 in units of which so many are a millisecond.
        case time(perMillisecond: Int64)
        /// Something that an inventory has not: its name.
        case other(String)
    }

    /// An element of the tree.
    struct Element {
        var name: [UInt8] = []
        /// Whether it has values itself.
        var isLeaf = false
        /// nil for one that has others below it, or of an unknown type.
        var physical: Physical?
        var length: Int64 = 0
        var isOptional = false
        var isRepeated = false
        var childCount: Int64 = 0
        /// What the older of two ways says that it means, and the newer.
        var converted: ColumnMeaning = .plain
        var logical: ColumnMeaning?

        var meaning: ColumnMeaning { logical ?? converted }
    }

    /// A column right below the root: what it is, and its number among those that have values; of one that has others
    /// below it, the number of the first of those.
    private(set) var columns: [(element: Element, number: Int)] = []
    /// How many columns have values: each has a chunk in every row group.
    private(set) var leafCount = 0

    /// More than any inventory has.
    static let columnLimit = 10_000

    /// - Parameter wire: the kind of the field that has the elements, in the order in which one walks the tree.
    init(_ message: inout ParquetMessage, _ wire: ParquetMessage.Wire) throws {
        // How many elements are still to come of each that has others below it.
        var open: [Int64] = []
        var count = 0
        try message.elements(of: wire) { message, wire in
            count += 1
            guard count <= ParquetSchema.columnLimit else {
                throw ColumnarProblem("has more than \(ParquetSchema.columnLimit) columns, and so is no inventory")
            }
            let element = try ParquetSchema.element(&message, wire)
            if count == 1 {
                open = [element.childCount]
                return
            }
            while open.last == 0 { open.removeLast() }
            guard let left = open.popLast() else { throw ParquetSchema.noTree }
            open.append(left - 1)
            if open.count == 1 { columns.append((element, leafCount)) }
            if element.isLeaf {
                leafCount += 1
            } else {
                open.append(element.childCount)
            }
        }
        guard count > 0, open.allSatisfy({ $0 == 0 }) else { throw ParquetSchema.noTree }
    }

    private static let noTree = ColumnarProblem("has columns that do not add up")

    private static func element(_ message: inout ParquetMessage, _ wire: ParquetMessage.Wire) throws -> Element {
        guard wire == .record else { throw noTree }
        var element = Element()
        try message.fields { message, number, wire in
            switch number {
            case 1:
                element.isLeaf = true
                element.physical = Physical(rawValue: try message.number(wire))
            case 2: element.length = try message.number(wire)
            case 3:
                let repetition = try message.number(wire)
                element.isOptional = repetition == 1
                element.isRepeated = repetition > 1 || repetition < 0
            case 4: element.name = Array(try message.text(wire))
            case 5: element.childCount = try message.count(wire)
            case 6: element.converted = converted(try message.number(wire))
            case 10: element.logical = try logical(&message, wire)
            default: break
            }
        }
        return element
    }

    private static func converted(_ number: Int64) -> ColumnMeaning {
        switch number {
        case 0, 4, 15...20: .plain
        case 9: .time(perMillisecond: 1)
        case 10: .time(perMillisecond: 1000)
        case 11...14: .unsigned
        case 5: .other("DECIMAL")
        case 6: .other("DATE")
        case 7, 8: .other("TIME")
        case 21: .other("INTERVAL")
        default: .other("of an unknown meaning")
        }
    }

    /// Of a union, the one field that is there.
    private static func logical(_ message: inout ParquetMessage, _ wire: ParquetMessage.Wire) throws -> ColumnMeaning? {
        guard wire == .record else { throw noTree }
        var meaning: ColumnMeaning?
        try message.fields { message, number, wire in
            switch number {
            case 1, 4, 12, 13: meaning = .plain
            case 5: meaning = .other("DECIMAL")
            case 6: meaning = .other("DATE")
            case 7: meaning = .other("TIME")
            case 8: meaning = try time(&message, wire)
            case 10: meaning = try integer(&message, wire)
            case 14: meaning = .other("UUID")
            case 15: meaning = .other("FLOAT16")
            // A column without a single value, or something that is newer than this: the older way may say what.
            default: break
            }
        }
        return meaning
    }

    private static func time(_ message: inout ParquetMessage, _ wire: ParquetMessage.Wire) throws -> ColumnMeaning {
        guard wire == .record else { throw noTree }
        var meaning = ColumnMeaning.other("TIMESTAMP of an unknown unit")
        // The other field says whether the times are UTC's or of no known zone. Inventories are UTC's either way.
        try message.fields { message, number, wire in
            guard number == 2, wire == .record else { return }
            try message.fields { _, number, _ in
                switch number {
                case 1: meaning = .time(perMillisecond: 1)
                case 2: meaning = .time(perMillisecond: 1000)
                case 3: meaning = .time(perMillisecond: 1_000_000)
                default: break
                }
            }
        }
        return meaning
    }

    private static func integer(_ message: inout ParquetMessage, _ wire: ParquetMessage.Wire) throws -> ColumnMeaning {
        guard wire == .record else { throw noTree }
        var meaning = ColumnMeaning.plain
        try message.fields { _, number, wire in
            if number == 2, wire == .no { meaning = .unsigned }
        }
        return meaning
    }
}
