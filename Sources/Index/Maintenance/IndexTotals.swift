import Basics
import SQLite

/// Stands in for the table `total` in the first indexes, which had none: the same sums, by a scan.
package enum IndexTotals {
    /// In place of the table's name.
    package static let counted = """
        (SELECT 'versions' AS name, count(*) AS value FROM \(versions)
        UNION ALL SELECT 'versionBytes', coalesce(sum(size), 0) FROM \(versions)
        UNION ALL SELECT 'blobs', count(*) FROM \(blobs)
        UNION ALL SELECT 'blobBytes', coalesce(sum(size), 0) FROM \(blobs))
        """

    /// A version can have several rows, and a blob several versions.
    private static let versions = """
        (SELECT DISTINCT directory, name, versionId, coalesce(lastModified, validFrom), etag, size
        FROM entry WHERE child IS NULL)
        """
    private static let blobs =
        "(SELECT DISTINCT etag, size FROM entry WHERE child IS NULL AND \(EntryRow.Flags.condition(all: .present)))"

    /// Creates the table in an index that lacks it.
    package static let make = """
        CREATE TABLE total (
            name TEXT PRIMARY KEY,
            value INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        INSERT INTO total (name, value) SELECT name, value FROM \(counted);
        """
}

extension Connection {
    /// Whether the index has the table `total`.
    package func hasSums() throws(IcecoreError) -> Bool {
        try prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'total'").step()
    }

    /// The table `total`, or its substitute.
    package func sums() throws(IcecoreError) -> String {
        try hasSums() ? "total" : IndexTotals.counted
    }
}

extension Connection {
    /// Sets one of the sums of the table `total`.
    package func setTotal(_ name: String, _ value: Int64) throws {
        let statement = try prepare("INSERT OR REPLACE INTO total (name, value) VALUES (?1, ?2)")
        statement.bind(2, value)
        try statement.run(texts: [(1, name)]) { try statement.run() }
    }

    /// Adds to one of the sums of the table `total`, clamped to 0 and the largest integer.
    package func addToTotal(_ name: String, _ amount: Int64) throws {
        guard amount != 0 else { return }
        let statement = try prepare(
            """
            UPDATE total SET value = CASE WHEN ?2 > 0 AND value > ?3 - ?2 THEN ?3 ELSE max(0, value + ?2) END
            WHERE name = ?1
            """)
        statement.bind(2, amount)
        statement.bind(3, .max)
        try statement.run(texts: [(1, name)]) { try statement.run() }
    }
}
