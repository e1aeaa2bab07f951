import Basics

/// The rows of a row group.
///
/// Of each wanted column it holds one page, decompressed, and the dictionary: a megabyte each, as writers make them, and
/// another for the page that is being decompressed, so some 25 MiB for twelve columns. A page or a dictionary may have 64
/// MiB, a batch of texts that share beginnings 16 MiB; but all together not more than ``ColumnarMemory/limit``, 160 MiB,
/// and 20 KiB a column besides. A file that needs more is refused. So three groups at once stay below half a gigabyte.
final class ParquetGroup: ColumnarGroup {
    private let number: Int
    /// How many rows the row groups before it have.
    private let firstRow: Int
    private let rowCount: Int
    private var done = 0
    private let columns: [ParquetColumn?]

    /// - Parameters:
    ///   - columns: those that are wanted; nil for one that the file does not have.
    ///   - number: its own, counted from 1.
    ///   - firstRow: how many rows the row groups before it have.
    /// - Throws: ``ColumnarDamage``
    init(
        _ source: ColumnarSource, _ group: ParquetRowGroup, columns: [ParquetFile.Wanted?], number: Int, firstRow: Int
    ) throws {
        self.number = number
        self.firstRow = firstRow
        rowCount = Int(group.rowCount)
        let decompressor = ParquetDecompressor(source, ColumnarMemory())
        do {
            self.columns = try zip(columns, group.chunks).map { column, chunk in
                guard let column, let chunk else { return nil }
                return try ParquetColumn(column, chunk, decompressor)
            }
        } catch let problem as ColumnarProblem {
            throw problem.damage(in: "row group \(number)")
        }
    }

    /// Texts lie in pages, so that the rows of a batch are all in one page of each column.
    func next(into vectors: [ColumnVector]) throws -> Int {
        var count = min(rowCount - done, ColumnVector.capacity)
        guard count > 0 else { return 0 }
        for case let column? in columns {
            try located(column) { try column.prepare() }
            count = min(count, column.left)
        }
        for (column, vector) in zip(columns, vectors) {
            guard let column else { continue }
            try located(column) {
                try column.decode(count, into: vector)
                if done + count == rowCount { try column.finish() }
            }
        }
        done += count
        return count
    }

    /// Says where a problem is.
    @inline(__always)
    private func located(_ column: ParquetColumn, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let problem as ColumnarProblem {
            let place = problem.row.map { "row \(firstRow + done + $0 + 1)" } ?? "page \(column.pageNumber)"
            throw problem.damage(in: "column '\(Display.text(column.name))' of row group \(number) (\(place))")
        }
    }
}
