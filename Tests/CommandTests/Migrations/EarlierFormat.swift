import Basics
import Foundation
import Testing

/// Brings a store of today back to format 2, which kept headers in a table of their own.
enum EarlierFormat {
    /// What is said of every version of a content afterwards: one of three sets, by the slot of its row.
    static func contentType(slot: Int) -> String { "text/x-\(slot % 3)" }

    static func bringBack(_ store: String) throws {
        try IndexDump.python(script, "\(store)/index.sqlite")
        try say(2, store)
    }

    /// Has a store say that it has an earlier format.
    static func say(_ format: Int, _ store: String) throws {
        let path = "\(store)/icecore.json"
        let text = String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
        try Files.replace(path, with: bytes(text.replacing(#/"format" : 3/#, with: "\"format\" : \(format)")))
    }

    private static let script = """
        import sqlite3, sys

        index = sqlite3.connect(sys.argv[1])
        index.text_factory = bytes
        index.executescript(\"\"\"
            BEGIN;
            ALTER TABLE entry DROP COLUMN headers;
            UPDATE entry SET flags = flags & ~1024;
            DELETE FROM headerSet;
            INSERT INTO headerSet VALUES (1, '{"content-type":"text/x-0"}'), (2, '{"content-type":"text/x-1"}'),
                (3, '{"content-type":"text/x-2"}');
            CREATE TABLE objectHeaders (
                key TEXT NOT NULL,
                versionId TEXT NOT NULL,            -- '' if unknown
                etag TEXT NOT NULL,
                headerSet INTEGER NOT NULL,
                PRIMARY KEY (key, versionId, etag)
            ) STRICT, WITHOUT ROWID;
            DELETE FROM grdb_migrations WHERE identifier LIKE '005%';
            COMMIT;
        \"\"\")
        directories = dict((row[0], row[1:]) for row in index.execute("SELECT id, parent, name FROM directory"))

        def prefix(directory):
            parent, name = directories[directory]
            return b"" if directory == 1 else prefix(parent) + name

        rows = index.execute(
            "SELECT directory, name, slot, versionId, etag FROM entry WHERE child IS NULL AND etag NOT NULL")
        for directory, name, slot, version, etag in rows.fetchall():
            if isinstance(etag, bytes) and len(etag) in (16, 20):
                parts = int.from_bytes(etag[16:], "big")
                etag = (etag[:16].hex() + (f"-{parts}" if parts else "")).encode()
            index.execute(
                "INSERT OR IGNORE INTO objectHeaders VALUES (CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?)",
                (prefix(directory) + name, version or b"", etag, slot % 3 + 1))
        index.commit()
        index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        """

    /// How many rows of a migrated index name their headers, and how many of those of contents do not, or name others than
    /// they should.
    static func count(_ store: String) throws -> (right: Int, wrong: Int) {
        let text = try IndexDump.python(
            """
            import sqlite3, sys
            index = sqlite3.connect(sys.argv[1])
            rows = index.execute(
                "SELECT slot, headerSet.headers FROM entry LEFT JOIN headerSet ON headerSet.id = entry.headers "
                "WHERE child IS NULL AND etag NOT NULL").fetchall()
            right = sum(headers == '{"content-type":"text/x-%d"}' % (slot % 3) for slot, headers in rows)
            print(right, len(rows) - right)
            """, "\(store)/index.sqlite")
        let numbers = text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        try #require(numbers.count == 2, "\(text)")
        return (numbers[0], numbers[1])
    }
}
