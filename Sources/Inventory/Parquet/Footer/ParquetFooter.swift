import Basics

/// The footer of a Parquet file: its columns, its row groups, and where in those the wanted columns are.
struct ParquetFooter {
    private(set) var columns: [ParquetFile.Wanted?] = []
    private(set) var groups: [ParquetRowGroup] = []

    /// A footer tells of a row group a hundred bytes a column. This is enough for fifty thousand.
    private static let limit = 64 << 20
    private static let groupLimit = 100_000
    /// A row group is some dozens of megabytes, or a few million rows.
    private static let rowLimit: Int64 = 1 << 32
    private static let magic = Array("PAR1".utf8)

    /// - Throws: ``ColumnarProblem``, or `IcecoreError` if the file cannot be read.
    init(_ source: ColumnarSource, columns wanted: [WantedColumn]) throws {
        guard source.size > 0 else { throw ColumnarProblem("is empty, not even Parquet") }
        guard source.size >= 12 else { throw ParquetFooter.noMagic }
        var end: [UInt8] = Array(repeating: 0, count: 8)
        try end.withUnsafeMutableBytes { try source.read(into: $0, at: source.size - 8) }
        if end[4...].elementsEqual("PARE".utf8) {
            throw ColumnarProblem("is encrypted, which Icecore does not read", isUnsupported: true)
        }
        guard end[4...].elementsEqual(ParquetFooter.magic) else { throw ParquetFooter.noMagic }
        var start: [UInt8] = [0, 0, 0, 0]
        try start.withUnsafeMutableBytes { try source.read(into: $0, at: 0) }
        guard start == ParquetFooter.magic else { throw ColumnarProblem("does not begin as Parquet does") }
        let length = Int(UInt32(littleEndian: end.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }))
        guard length <= source.size - 12 else {
            throw ColumnarProblem("has a footer of \(length) bytes, longer than the file")
        }
        guard length <= ParquetFooter.limit else {
            throw ColumnarProblem("has a footer of \(length) bytes, too many for an inventory")
        }
        let footerStart = source.size - 8 - Int64(length)
        let bytes = try ColumnarBuffer(length, ColumnarMemory())
        try source.read(into: UnsafeMutableRawBufferPointer(start: bytes.bytes, count: length), at: footerStart)
        try read(UnsafeRawBufferPointer(start: bytes.bytes, count: length), wanted, end: footerStart)
    }

    private static let noMagic = ColumnarProblem("is not Parquet, or truncated: it does not end with PAR1")
    private static let damage = ColumnarProblem("has a footer that cannot be read")

    private mutating func read(_ bytes: UnsafeRawBufferPointer, _ wanted: [WantedColumn], end: Int64) throws {
        var schema: ParquetSchema?
        var rowCount: Int64?
        // Where the row groups stand, and of what kind the field is that has them.
        var place: (bytes: UnsafeRawBufferPointer, wire: ParquetMessage.Wire)?
        var message = ParquetMessage(bytes, what: "footer")
        try message.fields { message, number, wire in
            switch number {
            case 2: schema = try ParquetSchema(&message, wire)
            case 3: rowCount = try message.count(wire)
            case 4: place = (try message.skipped(wire), wire)
            default: break
            }
        }
        guard let schema, let rowCount, let place else { throw ParquetFooter.damage }
        columns = try wanted.map { try ParquetFile.Wanted($0, in: schema) }
        guard columns.contains(where: { $0 != nil }) else {
            throw ColumnarProblem("has none of the columns of an inventory")
        }
        let columns = self.columns
        var groups: [ParquetRowGroup] = []
        var sum: Int64 = 0
        var list = ParquetMessage(place.bytes, what: "footer")
        try list.elements(of: place.wire) { message, wire in
            guard wire == .record else { throw ParquetFooter.damage }
            guard groups.count < ParquetFooter.groupLimit else {
                throw ColumnarProblem("has more than \(ParquetFooter.groupLimit) row groups")
            }
            let number = groups.count + 1
            let group: ParquetRowGroup
            do {
                group = try ParquetRowGroup(
                    &message, columns: columns, leafCount: schema.leafCount, end: end, number: number)
            } catch let problem as ColumnarProblem {
                throw problem.damage(in: "row group \(number)")
            }
            guard group.rowCount <= ParquetFooter.rowLimit else {
                throw ColumnarProblem("has a row group \(number) of \(group.rowCount) rows")
            }
            sum += group.rowCount
            groups.append(group)
        }
        guard sum == rowCount else {
            throw ColumnarProblem(
                "has \(sum.of("row")) in its row groups, but says that there \(rowCount.verb("is", "are")) \(rowCount)")
        }
        self.groups = groups
    }
}
