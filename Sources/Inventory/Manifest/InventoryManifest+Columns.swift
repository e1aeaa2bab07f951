import Basics

extension InventoryManifest {
    /// The columns that a `fileSchema` names.
    static func columns(
        of schema: String, _ format: InventoryFormat, refuse: (String, String) -> IcecoreError
    ) throws(IcecoreError) -> [InventoryColumn?] {
        if format.isColumnar { return try columnarColumns(of: schema, refuse) }
        var names: [String] = []
        var seen: Set<String> = []
        for part in schema.split(separator: ",", omittingEmptySubsequences: false) {
            let name = String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            guard names.count < mostColumns else {
                throw refuse(
                    "has a fileSchema of more than \(mostColumns) columns",
                    InventoryAdvice.otherDate)
            }
            guard seen.insert(name).inserted else {
                throw refuse(
                    "has the column '\(Display.escaped(name))' twice in its fileSchema", InventoryAdvice.otherDate)
            }
            names.append(name)
        }
        for column in InventoryColumn.required where !seen.contains(column.rawValue) {
            throw refuse("lacks the column '\(column.rawValue)' in its fileSchema", InventoryAdvice.otherWays)
        }
        return names.map { InventoryColumn(rawValue: $0) }
    }

    /// The columns that a schema of Parquet (`message s3.inventory { required binary key (UTF8); … }`) or of ORC
    /// (`struct<key:string,…>`) names. What is no name of a column in there cannot be taken for one.
    ///
    /// A schema that does not even have a key is of an unknown form: then the list files say what they have.
    private static func columnarColumns(
        of schema: String, _ refuse: (String, String) -> IcecoreError
    ) throws(IcecoreError) -> [InventoryColumn?] {
        guard schema.utf8.count <= longestSchema else {
            throw refuse("has a fileSchema of more than \(longestSchema) bytes", InventoryAdvice.otherDate)
        }
        let names = Set(
            schema.utf8.split { byte in
                !(48...57).contains(byte) && !(65...90).contains(byte) && !(97...122).contains(byte) && byte != 95
            }.map { WantedColumn.plain($0) })
        let columns = InventoryColumn.allCases.filter { names.contains(WantedColumn.plain($0.rawValue.utf8)) }
        guard columns.contains(.key) else { return InventoryColumn.allCases }
        for column in InventoryColumn.required where !columns.contains(column) {
            throw refuse("lacks the column '\(column.rawValue)' in its fileSchema", InventoryAdvice.otherWays)
        }
        return columns
    }

    private static let longestSchema = 1 << 20
}
