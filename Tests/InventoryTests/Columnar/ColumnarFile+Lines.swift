import Testing

@testable import Inventory

extension ColumnarFile {
    /// Decodes everything, a line a row.
    func lines(_ wanted: [WantedColumn]) throws -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for index in 0..<groupCount {
            let group = try group(index)
            // A column that the file does not have is left alone: it stays without values.
            let vectors = wanted.map { _ in
                let vector = ColumnVector()
                vector.hasNulls = true
                vector.isNull = ContiguousArray(repeating: true, count: ColumnVector.capacity)
                return vector
            }
            var count = 0
            while true {
                let rows = try group.next(into: vectors)
                if rows == 0 { break }
                for row in 0..<rows {
                    var line: [UInt8] = []
                    for (vector, column) in zip(vectors, wanted) {
                        if !line.isEmpty || column.name != wanted[0].name { line.append(0x1f) }
                        if vector.hasNulls, vector.isNull[row] {
                            line += "\\N".utf8
                        } else if case .text = column.kind {
                            line += vector.texts[row].bytes
                        } else {
                            line += "\(vector.numbers[row])".utf8
                        }
                    }
                    lines.append(line)
                }
                count += rows
            }
            #expect(count == rowCount(ofGroup: index))
        }
        return lines
    }
}
