extension InventoryFuzzEntryPoints {
    /// Decodes a Parquet file: see ``decode(_:)``.
    package static func parquet(_ bytes: [UInt8]) throws -> (rows: Int, sum: Int64) {
        try decode { try ParquetFile(ColumnarSource(bytes: bytes), columns: $0) }
    }
}
