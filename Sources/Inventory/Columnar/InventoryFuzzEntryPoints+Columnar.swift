import Basics

extension InventoryFuzzEntryPoints {
    /// Decodes a columnar file, and looks at every byte of its values.
    ///
    /// - Parameter open: opens it, with the columns that are wanted.
    /// - Returns: how many rows it has, and a sum of all values, which must be the same each time.
    /// - Throws: `IcecoreError`, whose message begins with `the file`.
    static func decode(_ open: ([WantedColumn]) throws -> any ColumnarFile) throws -> (rows: Int, sum: Int64) {
        let columns = [
            WantedColumn(name: "Bucket", kind: .text), WantedColumn(name: "Key", kind: .text),
            WantedColumn(name: "VersionId", kind: .text), WantedColumn(name: "IsLatest", kind: .boolean),
            WantedColumn(name: "Size", kind: .integer), WantedColumn(name: "LastModifiedDate", kind: .time),
            WantedColumn(name: "ETag", kind: .text),
        ]
        let vectors = columns.map { _ in ColumnVector() }
        var rows = 0
        var sum: Int64 = 0
        do {
            let file = try open(columns)
            // A small file can have a great many rows that are all alike.
            for index in 0..<file.groupCount where rows < 50_000 {
                let group = try file.group(index)
                while rows < 50_000, case let count = try group.next(into: vectors), count > 0 {
                    rows += count
                    for (column, vector) in zip(columns, vectors) { add(column, vector, count, to: &sum) }
                }
            }
        } catch let damage as ColumnarDamage {
            throw IcecoreError(damage.isUnsupported ? .unsupported : .invalidData, "the file \(damage.problem)")
        }
        return (rows, sum)
    }

    private static func add(_ column: WantedColumn, _ vector: ColumnVector, _ count: Int, to sum: inout Int64) {
        for row in 0..<count where !(vector.hasNulls && vector.isNull[row]) {
            guard column.kind == .text else {
                sum &+= vector.numbers[row]
                continue
            }
            // A column that the file does not have has none.
            guard row < vector.texts.count else { return }
            for byte in vector.texts[row].bytes { sum = sum &* 31 &+ Int64(byte) }
        }
    }
}
