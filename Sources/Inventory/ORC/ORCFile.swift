import Basics

/// A list file in ORC, as the specification at orc.apache.org has it (versions 0.11 and 0.12), and as its writers in Java
/// and C++ write it.
final class ORCFile: ColumnarFile, Sendable {
    /// A wanted column that the file has.
    struct Column {
        /// As the file spells it.
        let name: [UInt8]
        let number: Int
        let kind: ORCFooter.Kind
        let wanted: WantedColumn.Kind
    }

    private let source: ColumnarSource
    private let tail: ORCTail
    private let columns: [Column?]
    /// How many rows there are before each stripe.
    private let firstRows: [Int]

    /// A stripe is some dozens of megabytes, or a few million rows.
    private static let rowLimit: Int64 = 1 << 32

    /// - Throws: ``ColumnarDamage``, or `IcecoreError` if the file cannot be read.
    convenience init(path: String, columns: [WantedColumn]) throws {
        try self.init(ColumnarSource(path: path), columns: columns)
    }

    init(_ source: ColumnarSource, columns: [WantedColumn]) throws {
        self.source = source
        do {
            let tail = try ORCTail(source)
            let found = try columns.map { try ORCFile.find($0, in: tail.footer) }
            guard found.contains(where: { $0 != nil }) else {
                throw ColumnarProblem("has none of the columns of an inventory")
            }
            self.tail = tail
            self.columns = found
            firstRows = try ORCFile.firstRows(tail)
        } catch let problem as ColumnarProblem {
            throw problem.ofFile
        }
    }

    var hasColumn: [Bool] { columns.map { $0 != nil } }

    var groupCount: Int { tail.footer.stripes.count }

    func rowCount(ofGroup index: Int) -> Int { Int(tail.footer.stripes[index].rowCount) }

    func group(_ index: Int) throws -> any ColumnarGroup {
        try ORCStripe(source, tail, columns: columns, index: index, firstRow: firstRows[index])
    }

    private static func firstRows(_ tail: ORCTail) throws -> [Int] {
        var firstRows: [Int] = []
        var sum: Int64 = 0
        for (index, stripe) in tail.footer.stripes.enumerated() {
            var room = tail.stripesEnd - 3
            for length in [stripe.offset - 3, stripe.indexLength, stripe.dataLength, stripe.footerLength] {
                guard length >= 0, length <= room else {
                    throw ColumnarProblem("has a stripe \(index + 1) that does not lie in the file")
                }
                room -= length
            }
            guard stripe.rowCount <= rowLimit else {
                throw ColumnarProblem("has a stripe \(index + 1) of \(stripe.rowCount) rows")
            }
            firstRows.append(Int(sum))
            sum += stripe.rowCount
        }
        guard sum == tail.footer.rowCount else {
            throw ColumnarProblem(
                "has \(sum.of("row")) in its stripes, but says that there \(tail.footer.rowCount.verb("is", "are")) "
                    + "\(tail.footer.rowCount)")
        }
        return firstRows
    }

    private static func find(_ wanted: WantedColumn, in footer: ORCFooter) throws -> Column? {
        let found = footer.fields.filter { wanted.isNamed($0.name) }
        guard let field = found.first else { return nil }
        let shown = Display.text(field.name)
        guard found.count == 1 else {
            throw ColumnarProblem("has both '\(shown)' and '\(Display.text(found[1].name))', columns of one meaning")
        }
        guard let kind = footer.kinds[field.column] else {
            throw ColumnarProblem("has a column '\(shown)' of an unknown type", isUnsupported: true)
        }
        let fits: [ORCFooter.Kind]
        let expected: String
        switch wanted.kind {
        case .text: (fits, expected) = ([.string, .varchar, .char, .binary], "text")
        case .integer: (fits, expected) = ([.byte, .short, .int, .long], "whole numbers")
        case .boolean: (fits, expected) = ([.boolean], "true and false")
        case .time: (fits, expected) = ([.timestamp, .instant], "times")
        }
        guard fits.contains(kind) else {
            throw ColumnarProblem(
                "has a column '\(shown)' of type \(kind.name), and Icecore reads only \(expected) there",
                isUnsupported: true)
        }
        return Column(name: field.name, number: field.column, kind: kind, wanted: wanted.kind)
    }
}
