import Basics

/// What an inventory's list files are written in: its manifest's `fileFormat`.
public enum InventoryFormat: String, Sendable {
    case csv = "CSV"
    case parquet = "Parquet"
    case orc = "ORC"

    /// - Parameter fileFormat: as AWS spells it; capitals do not matter.
    public init?(fileFormat: String) {
        switch fileFormat.uppercased() {
        case "CSV": self = .csv
        case "PARQUET": self = .parquet
        case "ORC": self = .orc
        default: return nil
        }
    }

    /// Rows are stored by column, and the files say themselves which columns they have.
    public var isColumnar: Bool { self != .csv }

    /// Opens a list file of a columnar format.
    ///
    /// - Throws: ``ColumnarDamage``, or `IcecoreError` if the file cannot be read.
    func open(_ source: ColumnarSource, _ columns: [WantedColumn]) throws -> any ColumnarFile {
        switch self {
        case .orc: try ORCFile(source, columns: columns)
        case .parquet: try ParquetFile(source, columns: columns)
        case .csv: throw ColumnarDamage(problem: "is not stored by column")
        }
    }

    /// The same of a file on disk.
    func open(_ path: String, _ columns: [WantedColumn]) throws -> any ColumnarFile {
        try open(ColumnarSource(path: path), columns)
    }
}

extension WantedColumn {
    /// Those of an inventory, each in the place of its column's ``InventoryColumn/slot``.
    static let ofInventory = InventoryColumn.allCases.map { WantedColumn(name: $0.rawValue, kind: $0.kind) }
    static let key = ofInventory[InventoryColumn.key.slot]
}

extension InventoryColumn {
    fileprivate var kind: WantedColumn.Kind {
        switch self {
        case .isLatest, .isDeleteMarker, .isMultipartUploaded: .boolean
        case .size: .integer
        case .lastModified: .time
        case .bucket, .key, .versionId, .etag, .storageClass, .encryptionStatus, .accessTier: .text
        }
    }
}

/// Which of an inventory's columns a list file has by its own description.
struct ColumnarColumns: Equatable {
    let present: [InventoryColumn]

    init(_ file: any ColumnarFile) {
        present = InventoryColumn.allCases.filter { file.hasColumn[$0.slot] }
    }

    /// - Throws: what `refuse` makes of half a sentence, if a column is missing without which nothing can be synced.
    func check(_ refuse: (String) -> any Error) throws {
        for column in InventoryColumn.required where !present.contains(column) {
            throw refuse("lacks the column '\(column.rawValue)'")
        }
    }
}

extension InventoryManifest {
    /// The same manifest with the columns that its list files have, whatever `fileSchema` says of them: there it is
    /// spelled in several ways. That of an inventory in CSV is believed, as there is nothing else.
    ///
    /// - Parameter paths: of all list files, in the manifest's order.
    /// - Throws: `unsupported` if a file is of a kind that cannot be read, lacks a column without which nothing can be
    ///   synced, or differs from the others; nothing if one is damaged: that is said when it is read.
    public func believing(listFiles paths: [String]) throws -> InventoryManifest {
        guard format.isColumnar else { return self }
        var known: (columns: ColumnarColumns, file: String)?
        for (path, file) in zip(paths, files) {
            func refused(_ problem: String) -> IcecoreError {
                IcecoreError(
                    .unsupported, "list file '\(Display.escaped(file.key))' \(problem); \(InventoryAdvice.otherWays)")
            }
            let columns: ColumnarColumns
            do {
                columns = ColumnarColumns(try format.open(path, WantedColumn.ofInventory))
            } catch let damage as ColumnarDamage {
                if damage.isUnsupported { throw refused(damage.problem) }
                continue
            }
            try columns.check(refused)
            if let known, known.columns != columns {
                throw IcecoreError(
                    .unsupported,
                    "the list files '\(Display.escaped(known.file))' and '\(Display.escaped(file.key))' differ in their "
                        + "columns; \(InventoryAdvice.otherDate)")
            }
            known = (columns, file.key)
        }
        return known.map { with(columns: $0.columns.present) } ?? self
    }
}
