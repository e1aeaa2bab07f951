import Testing

@testable import Inventory

/// What holds for a reader of any columnar format.
enum ColumnarChecks {
    /// The order in which columns are wanted changes nothing but their places.
    static func expectAnyOrder(
        of columns: [WantedColumn], _ expected: [[UInt8]], open: ([WantedColumn]) throws -> any ColumnarFile
    ) throws {
        let lines = try open(columns).lines(columns)
        let backwards = Array(columns.reversed())
        let turned = try open(backwards).lines(backwards).map { line in
            Array(line.split(separator: 0x1f, omittingEmptySubsequences: false).reversed().joined(separator: [0x1f]))
        }
        #expect(lines == turned)
        func fields(_ line: [UInt8]) -> Set<[UInt8]> { Set(line.split(separator: 0x1f).map { Array($0) }) }
        #expect(lines.map(fields) == expected.map(fields))
    }

    /// Of a file of one row: a column that it lacks is left alone.
    static func expectMissingColumn(beside key: WantedColumn, open: ([WantedColumn]) throws -> any ColumnarFile) throws
    {
        let wanted = [WantedColumn(name: "ObjectLockMode", kind: .text), key]
        let file = try open(wanted)
        #expect(file.hasColumn == [false, true])
        let group = try file.group(0)
        let vectors = wanted.map { _ in ColumnVector() }
        vectors[0].hasNulls = true
        vectors[0].isNull[0] = true
        #expect(try group.next(into: vectors) == 1)
        #expect(vectors[0].isNull[0])
        #expect(Array(vectors[1].texts[0].bytes) == Array("folder 0000/a+b%41 ключ-0.bin".utf8))
        #expect(try group.next(into: vectors) == 0)
    }
}
