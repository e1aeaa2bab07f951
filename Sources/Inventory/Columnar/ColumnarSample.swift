import Basics

/// The first rows of a list file in a columnar format that is in memory.
struct ColumnarSample {
    let rows: ContiguousArray<InventoryRow>
    /// Which part of the file's rows they are, from 0 to 1.
    let share: Double

    private static let most = 50_000

    init(_ manifest: InventoryManifest, bytes: [UInt8]) throws {
        func refused(_ problem: String) -> IcecoreError {
            IcecoreError(
                .invalidData, "list file '\(Display.escaped(manifest.files.first?.key ?? ""))' \(problem)")
        }
        do {
            let file = try manifest.format.open(ColumnarSource(bytes: bytes), WantedColumn.ofInventory)
            try ColumnarColumns(file).check(refused)
            let batch = RowBatch()
            var count = 0
            for index in 0..<file.groupCount {
                count += file.rowCount(ofGroup: index)
                guard batch.rows.count < ColumnarSample.most else { continue }
                let builder = ColumnarRowBuilder(
                    manifest: manifest, file: 0, hasColumn: file.hasColumn, firstRow: batch.rows.count,
                    mustBeSorted: false)
                let group = try file.group(index)
                // The texts' bytes are the group's.
                defer { withExtendedLifetime(group) {} }
                while batch.rows.count < ColumnarSample.most {
                    let decoded = try group.next(into: builder.columns)
                    guard decoded > 0 else { break }
                    try builder.append(decoded, to: batch)
                }
            }
            rows = batch.rows
            share = count > 0 ? Double(batch.rows.count) / Double(count) : 1
        } catch let damage as ColumnarDamage {
            throw refused(damage.problem)
        }
    }
}
