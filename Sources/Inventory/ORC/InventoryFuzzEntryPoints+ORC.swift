extension InventoryFuzzEntryPoints {
    /// Decodes an ORC file: see ``decode(_:)``.
    package static func orc(_ bytes: [UInt8]) throws -> (rows: Int, sum: Int64) {
        try decode { try ORCFile(ColumnarSource(bytes: bytes), columns: $0) }
    }
}
