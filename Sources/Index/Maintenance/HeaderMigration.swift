import Basics
import GRDB
import GRDBSQLite
import Model
import SQLite

/// Brings an index of the format 1 or 2 to format 3, in the transaction of its step of the schema: what the table
/// `objectHeaders` says goes into the rows.
///
/// Rows that grow in place would tear most pages apart, so the table is written anew, in its order. Earlier programs did
/// not record all headers: none are marked as known.
package struct HeaderMigration {
    private let connection: Connection
    private let database: Database

    init(_ database: Database) throws {
        self.database = database
        guard let handle = database.sqliteConnection else {
            throw IcecoreError(.system, "the index has no connection")
        }
        connection = Connection(borrowing: handle, path: database.description)
    }

    /// - Parameter step: the SQL that adds the column, and drops the table.
    func run(_ step: String) throws {
        try HeaderMigration.prefixMetadata(connection)
        guard try connection.prepare("SELECT 1 FROM objectHeaders LIMIT 1").step() else {
            return try database.execute(sql: step)
        }
        LockWait.say("the index is brought to a new format, which happens once and takes some seconds a million rows")
        let table = try definition("entry")
        let indexes = try ["missing", "absent"].map { (name: $0, sql: try definition($0)) }
        for index in indexes { try connection.execute("DROP INDEX \(index.name)") }
        try connection.execute(
            """
            ALTER TABLE entry RENAME TO entryBefore;
            ALTER TABLE objectHeaders RENAME TO headersBefore;
            \(table)
            """)
        try database.execute(sql: step)
        try copy()
        try connection.execute("DROP TABLE entryBefore; DROP TABLE headersBefore")
        for index in indexes { try connection.execute(index.sql) }
    }

    /// Gives metadata the prefix that tells it from headers: earlier formats had it without, beside the names of two.
    package static func prefixMetadata(_ connection: Connection) throws {
        let table = try definition("headerSet", connection)
        // Two sets may exchange their texts, which have to be distinct at every moment.
        try connection.execute("ALTER TABLE headerSet RENAME TO setBefore; \(table)")
        let sets = try connection.prepare("SELECT id, headers FROM setBefore ORDER BY id")
        let insert = try connection.prepare("INSERT INTO headerSet (id, headers) VALUES (?, ?)")
        while try sets.step() {
            try Interruption.check()
            let before = Array(sets.bytes(1))
            // What cannot be read is left for a check of the index to find.
            let json = ObjectHeaders(jsonOfFormat2: before).map { Array($0.json.utf8) } ?? before
            insert.bind(1, sets.integer(0))
            try json.withUnsafeBytes { json in
                insert.bind(text: json, 2)
                try insert.run()
            }
        }
        sets.reset()
        try connection.execute("DROP TABLE setBefore")
    }

    private func definition(_ name: String) throws -> String { try HeaderMigration.definition(name, connection) }

    private static func definition(_ name: String, _ connection: Connection) throws -> String {
        let statement = try connection.prepare("SELECT sql FROM sqlite_schema WHERE name = '\(name)'")
        guard try statement.step() else { throw IcecoreError(.damaged, "the index lacks '\(name)'") }
        return String(decoding: statement.bytes(0), as: UTF8.self)
    }

    private func copy() throws {
        let columns = try connection.entryColumns(withDirectory: true).replacing(" headers,", with: " NULL,")
        let rows = try connection.prepare(
            "SELECT \(columns) FROM entryBefore ORDER BY directory, name, slot")
        let select = try connection.prepare(
            "SELECT headerSet FROM headersBefore WHERE key = ? AND versionId = ? AND etag = ?")
        let insert = try connection.prepare(
            """
            INSERT INTO entry (name, slot, flags, validFrom, validTo, seenFrom, seenTo, listedFrom, listedTo, child,
                size, lastModified, versionId, etag, headers, directory)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        let names = try DirectoryNames(connection)
        var prefix: (directory: Int64, bytes: [UInt8]) = (0, [])
        var count = 0
        while try rows.step() {
            count += 1
            if count & 0xFFF == 0 { try Interruption.check() }
            for column in Int32(0)..<14 { sqlite3_bind_value(insert.handle, column + 1, rows.value(column).handle) }
            insert.bindNull(15)
            let directory = rows.integer(EntryRow.directoryColumn)
            insert.bind(16, directory)
            let row = EntryRow(rows)
            if !row.isDirectory, !row.isMarker, let etag = row.etagValue {
                if prefix.directory != directory {
                    prefix = (directory, try names.prefix(of: directory) ?? [])
                }
                let key = prefix.bytes + Array(row.name)
                let text = Array(etag.description.utf8)
                try key.withUnsafeBytes { key in
                    try text.withUnsafeBytes { text in
                        select.bind(text: key, 1)
                        select.bind(text: row.versionId, 2)
                        select.bind(text: text, 3)
                        if try select.step() { insert.bind(15, select.integer(0)) }
                        select.reset()
                    }
                }
            }
            try insert.run()
        }
    }
}
