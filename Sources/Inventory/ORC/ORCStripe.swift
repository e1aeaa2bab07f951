import Basics

/// The rows of a stripe.
final class ORCStripe: ColumnarGroup {
    private let number: Int
    /// How many rows the stripes before it have.
    private let firstRow: Int
    private let rowCount: Int
    private var done = 0
    private let columns: [ORCColumn?]
    /// Which rows are there at all; nil if all are.
    private let rowsPresent: ORCBits?
    private let flags: UnsafeMutablePointer<UInt8>

    private static let footerLimit = 16 << 20

    /// - Parameters:
    ///   - columns: those that are wanted; nil for one that the file does not have.
    ///   - index: the number of the stripe, counted from 0.
    ///   - firstRow: how many rows the stripes before it have.
    /// - Throws: ``ColumnarDamage``, or `IcecoreError` if the file cannot be read.
    init(_ source: ColumnarSource, _ tail: ORCTail, columns: [ORCFile.Column?], index: Int, firstRow: Int) throws {
        let stripe = tail.footer.stripes[index]
        number = index + 1
        self.firstRow = firstRow
        rowCount = Int(stripe.rowCount)
        let blocks = ORCBlockReader(source, tail.format, ColumnarMemory())
        // ORCFile has made sure that this is inside the file.
        let end = stripe.offset + stripe.indexLength + stripe.dataLength
        do {
            let stream = ORCStream(blocks: blocks, from: end, to: end + stripe.footerLength)
            let footer = try stream.withAll(limit: ORCStripe.footerLimit, what: "footer") {
                try ORCStripeFooter($0, from: stripe.offset, to: end)
            }
            let streams = ORCStripeStreams(footer: footer, blocks: blocks)
            rowsPresent = try streams.bits(.present, of: 0)
            self.columns = try columns.map { column in
                guard let column else { return nil }
                do {
                    return try streams.column(column)
                } catch let problem as ColumnarProblem {
                    throw problem.damage(in: "column '\(Display.text(column.name))' of stripe \(index + 1)")
                }
            }
        } catch let problem as ColumnarProblem {
            throw problem.damage(in: "stripe \(index + 1)")
        }
        // Only now: where an initializer throws, nobody would give it back.
        flags = .allocate(capacity: ColumnVector.capacity)
        flags.initialize(repeating: 0, count: ColumnVector.capacity)
    }

    deinit { flags.deallocate() }

    func next(into vectors: [ColumnVector]) throws -> Int {
        let count = min(rowCount - done, ColumnVector.capacity)
        guard count > 0 else { return 0 }
        do {
            if let rowsPresent, try rowsPresent.decode(count, into: flags) < count {
                throw ColumnarProblem("has a row without any columns", row: (0..<count).first { flags[$0] == 0 })
            }
        } catch let problem as ColumnarProblem {
            throw damage(problem, "stripe \(number)", count)
        }
        for (column, vector) in zip(columns, vectors) {
            guard let column else { continue }
            do {
                try column.decode(count, into: vector)
                if done + count == rowCount, try !column.isAtEnd() {
                    throw ColumnarProblem("has more values than rows")
                }
            } catch let problem as ColumnarProblem {
                throw damage(problem, "column '\(Display.text(column.name))' of stripe \(number)", count)
            }
        }
        done += count
        return count
    }

    private func damage(_ problem: ColumnarProblem, _ place: String, _ count: Int) -> ColumnarDamage {
        let first = firstRow + done + 1
        let rows: String
        if let row = problem.row {
            rows = "row \(first + row)"
        } else {
            rows = count == 1 ? "row \(first)" : "rows \(first) to \(first + count - 1)"
        }
        return problem.damage(in: "\(place) (\(rows))")
    }
}
