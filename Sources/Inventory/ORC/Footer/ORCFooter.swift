import Basics

/// The footer: the columns, and where the stripes are.
struct ORCFooter {
    /// Where a stripe is, and how many rows it has.
    struct Stripe {
        var offset: Int64 = 0
        var indexLength: Int64 = 0
        var dataLength: Int64 = 0
        var footerLength: Int64 = 0
        var rowCount: Int64 = 0
    }

    /// The type of a column.
    enum Kind: UInt64 {
        case boolean, byte, short, int, long, float, double, string, binary, timestamp, list, map, `struct`, union,
            decimal, date, varchar, char
        case instant = 18

        /// Its name in ORC's own schemas.
        var name: String {
            switch self {
            case .boolean: "boolean"
            case .byte: "tinyint"
            case .short: "smallint"
            case .int: "int"
            case .long: "bigint"
            case .float: "float"
            case .double: "double"
            case .string: "string"
            case .binary: "binary"
            case .timestamp: "timestamp"
            case .list: "array"
            case .map: "map"
            case .struct: "struct"
            case .union: "uniontype"
            case .decimal: "decimal"
            case .date: "date"
            case .varchar: "varchar"
            case .char: "char"
            case .instant: "timestamp with local time zone"
            }
        }
    }

    private(set) var stripes: [Stripe] = []
    /// The type of each column by its number, 0 being the row itself; nil for a type that is not known.
    private(set) var kinds: [Kind?] = []
    private(set) var rowCount: Int64 = 0
    /// The columns of a row: the name, and the number.
    private(set) var fields: [(name: [UInt8], column: Int)] = []

    /// More than any inventory has.
    static let columnLimit = 10_000
    private static let stripeLimit = 1_000_000

    init(_ bytes: UnsafeRawBufferPointer) throws {
        var message = ORCMessage(bytes)
        while let field = try message.next() {
            switch field.number {
            case 3:
                guard stripes.count < ORCFooter.stripeLimit else {
                    throw ColumnarProblem("has more than \(ORCFooter.stripeLimit) stripes")
                }
                stripes.append(try ORCFooter.stripe(try field.bytes()))
            case 4: try addType(try field.bytes())
            case 6: rowCount = try field.count()
            case 10:
                throw ColumnarProblem("has encrypted columns, which Icecore does not read", isUnsupported: true)
            default: break
            }
        }
        guard kinds.first == .struct else { throw ColumnarProblem("has no columns") }
        for field in fields where field.column <= 0 || field.column >= kinds.count {
            throw ColumnarProblem(
                "has column '\(Display.text(field.name))' as number \(field.column) of \(kinds.count - 1)")
        }
    }

    private static func stripe(_ bytes: UnsafeRawBufferPointer) throws -> Stripe {
        var stripe = Stripe()
        var message = ORCMessage(bytes)
        while let field = try message.next() {
            switch field.number {
            case 1: stripe.offset = try field.count()
            case 2: stripe.indexLength = try field.count()
            case 3: stripe.dataLength = try field.count()
            case 4: stripe.footerLength = try field.count()
            case 5: stripe.rowCount = try field.count()
            default: break
            }
        }
        return stripe
    }

    private mutating func addType(_ bytes: UnsafeRawBufferPointer) throws {
        try ORCFooter.checkColumns(kinds.count)
        var kind: UInt64 = 0
        var names: [[UInt8]] = []
        var columns: [Int] = []
        let isRow = kinds.isEmpty
        var message = ORCMessage(bytes)
        while let field = try message.next() {
            switch field.number {
            case 1: kind = try field.unsigned()
            case 2 where isRow:
                try field.forEachNumber { number in
                    try ORCFooter.checkColumns(columns.count)
                    columns.append(Int(truncatingIfNeeded: min(number, UInt64(Int32.max))))
                }
            case 3 where isRow:
                try ORCFooter.checkColumns(names.count)
                names.append(Array(try field.bytes()))
            default: break
            }
        }
        kinds.append(Kind(rawValue: kind))
        if isRow {
            guard names.count == columns.count else {
                throw ColumnarProblem("has \(names.count.of("name")) for \(columns.count.of("column"))")
            }
            fields = zip(names, columns).map { (name: $0, column: $1) }
        }
    }

    private static func checkColumns(_ count: Int) throws {
        guard count <= columnLimit else {
            throw ColumnarProblem("has more than \(columnLimit) columns, and so is no inventory")
        }
    }
}
