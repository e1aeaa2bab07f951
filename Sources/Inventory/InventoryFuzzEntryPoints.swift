/// The parser of list files, for fuzzing without a file.
package enum InventoryFuzzEntryPoints {
    /// Parses the text of a list file in pieces, as the decompressor would pass it on.
    ///
    /// - Parameter piece: the length of a piece; at least 1.
    /// - Returns: of each row its key, version id, verbatim ETag and numbers: enough to compare.
    package static func rows(_ text: [UInt8], manifest: InventoryManifest, mustBeSorted: Bool, piece: Int) throws
        -> [[UInt8]]
    {
        let reader = CSVFileReader(
            manifest: manifest, index: 0, path: "", mustBeSorted: mustBeSorted, progress: InventoryProgress(total: 0))
        let batch = RowBatch(capacity: 4096, rows: 16)
        var rows: [[UInt8]] = []
        func take() {
            for row in batch.rows {
                var bytes = Array(batch.key(of: row)) + [0] + batch.versionId(of: row) + [0]
                bytes += batch.verbatimETag(of: row)
                bytes += "\(row.etagHigh) \(row.etagLow) \(row.etagParts) \(row.flags.rawValue) \(row.size)".utf8
                bytes += " \(row.lastModified.milliseconds) \(row.line)".utf8
                rows.append(bytes)
            }
        }
        let block = TextBlock()
        var position = 0
        while position < text.count {
            let count = min(max(1, min(piece, TextBlock.capacity)), text.count - position)
            text.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress else { return }
                (block.bytes + TextBlock.headroom).copyMemory(from: start + position, byteCount: count)
            }
            block.count = count
            position += count
            try reader.parse(block, into: batch)
            take()
        }
        try reader.parse(nil, into: batch)
        take()
        return rows
    }
}
