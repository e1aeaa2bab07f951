import Basics

/// A list file in Parquet, as parquet-format has it (versions 1 and 2 of its pages), and as its writers in Java and C++
/// write it.
final class ParquetFile: ColumnarFile, Sendable {
    /// A wanted column that the file has.
    struct Wanted {
        /// As the file spells it.
        let name: [UInt8]
        /// Which of the file's columns it is.
        let number: Int
        let kind: WantedColumn.Kind
        let physical: ParquetSchema.Physical
        let meaning: ParquetSchema.ColumnMeaning
        /// How many bytes each value has, where all have as many.
        let length: Int
        /// Whether there may be rows without a value.
        let isOptional: Bool
    }

    private let source: ColumnarSource
    private let footer: ParquetFooter
    /// How many rows there are before each row group.
    private let firstRows: [Int]

    /// - Throws: ``ColumnarDamage``, or `IcecoreError` if the file cannot be read.
    convenience init(path: String, columns: [WantedColumn]) throws {
        try self.init(ColumnarSource(path: path), columns: columns)
    }

    init(_ source: ColumnarSource, columns: [WantedColumn]) throws {
        self.source = source
        do {
            let footer = try ParquetFooter(source, columns: columns)
            self.footer = footer
            var sum = 0
            firstRows = footer.groups.map { group in
                defer { sum += Int(group.rowCount) }
                return sum
            }
        } catch let problem as ColumnarProblem {
            throw problem.ofFile
        }
    }

    var hasColumn: [Bool] { footer.columns.map { $0 != nil } }

    var groupCount: Int { footer.groups.count }

    func rowCount(ofGroup index: Int) -> Int { Int(footer.groups[index].rowCount) }

    func group(_ index: Int) throws -> any ColumnarGroup {
        try ParquetGroup(
            source, footer.groups[index], columns: footer.columns, number: index + 1, firstRow: firstRows[index])
    }
}

extension ParquetFile.Wanted {
    /// Finds a column; nil if the file does not have it.
    ///
    /// - Throws: ``ColumnarProblem`` if it has it in a way that is not read.
    init?(_ wanted: WantedColumn, in schema: ParquetSchema) throws {
        let found = schema.columns.filter { wanted.isNamed($0.element.name) }
        guard let (element, number) = found.first else { return nil }
        let shown = Display.text(element.name)
        guard found.count == 1 else {
            throw ColumnarProblem(
                "has both '\(shown)' and '\(Display.text(found[1].element.name))', columns of one meaning")
        }
        if element.isRepeated || !element.isLeaf {
            throw ColumnarProblem(
                "has a column '\(shown)' that is nested, and Icecore reads only flat ones", isUnsupported: true)
        }
        guard let physical = element.physical else {
            throw ColumnarProblem("has a column '\(shown)' of an unknown type", isUnsupported: true)
        }
        let (fits, expected) = Self.fits(wanted.kind, physical, element.meaning)
        guard fits else {
            var type = physical.name
            if case .other(let meaning) = element.meaning { type += " (\(meaning))" }
            throw ColumnarProblem(
                "has a column '\(shown)' of type \(type), and Icecore reads only \(expected) there", isUnsupported: true
            )
        }
        guard physical != .fixed || (1...(1 << 20)).contains(element.length) else {
            throw ColumnarProblem("has a column '\(shown)' of texts of \(element.length) bytes each")
        }
        name = element.name
        self.number = number
        kind = wanted.kind
        self.physical = physical
        meaning = element.meaning
        length = physical == .fixed ? Int(element.length) : 0
        isOptional = element.isOptional
    }

    private static func fits(
        _ kind: WantedColumn.Kind, _ physical: ParquetSchema.Physical, _ meaning: ParquetSchema.ColumnMeaning
    ) -> (Bool, expected: String) {
        switch kind {
        case .text: return ((physical == .byteArray || physical == .fixed) && meaning == .plain, "text")
        case .integer:
            let isPlain = meaning == .plain || meaning == .unsigned
            return ((physical == .int32 || physical == .int64) && isPlain, "whole numbers")
        case .boolean: return (physical == .boolean && meaning == .plain, "true and false")
        case .time:
            if case .time = meaning { return (physical == .int64, "times in INT64") }
            return (false, "times in INT64")
        }
    }
}
