import Basics
import Index
import SQLite

/// Finds which of some blobs no row of an index names.
public final class UnnamedBlobs {
    private let contents: PruneContents
    private var isEmpty = true

    public init(_ store: Store) throws {
        contents = try PruneContents(directory: store.temporaryPath)
    }

    /// Those blobs that prunes have doomed and that no row has taken up again; nil if there are none, which takes no scan.
    public static func doomed(_ store: Store, _ reader: IndexReader) throws -> UnnamedBlobs? {
        var unnamed: UnnamedBlobs?
        try reader.doomedBlobs { name, _ in
            let blobs = try unnamed ?? UnnamedBlobs(store)
            try blobs.add(name)
            unnamed = blobs
        }
        try unnamed?.strike(reader)
        return unnamed
    }

    /// Adds a blob to look for.
    public func add(_ name: String) throws {
        try contents.add(blob: name)
        isEmpty = false
    }

    /// Passes the names that no row has to `body`. One scan of the rows, if any blob was added.
    public func find(_ reader: IndexReader, _ body: (String) throws -> Void) throws {
        if isEmpty { return }
        try strike(reader)
        try contents.names(body)
    }

    /// Whether a blob was added, and no row has its name.
    public func contains(_ name: String) throws -> Bool {
        try contents.remains(name)
    }

    private func strike(_ reader: IndexReader) throws {
        try contents.addContents(ofOpaque: reader)
        let columns = try reader.connection.entryColumns(withDirectory: true)
        let statement = try reader.connection.prepare(
            "SELECT \(columns) FROM entry WHERE child IS NULL AND \(EntryRow.Flags.condition(none: [.marker, .pruned]))"
        )
        let names = try DirectoryNames(reader.connection)
        while try statement.step() {
            let row = EntryRow(statement)
            let prefix =
                row.flags.contains(.filedByVersion)
                ? try names.prefix(of: statement.integer(EntryRow.directoryColumn)) ?? [] : []
            try contents.strike(row, prefix: prefix)
        }
        try contents.strikeOpaque(reader)
    }
}
