import GRDBSQLite
import Glibc

/// What SQLite alone can do: rows like the index's, inserted in key order into a clustered table in one transaction, with
/// nothing around it. The limit that a first sync is measured against.
///
///     icecore-bench-insert ROWS FILE
@main
struct ClusteredInsert {
    static func main() {
        guard CommandLine.arguments.count == 3, let rows = Int64(CommandLine.arguments[1]) else {
            print("usage: icecore-bench-insert ROWS FILE")
            exit(64)
        }
        let path = CommandLine.arguments[2]
        unlink(path)
        var database: OpaquePointer?
        guard sqlite3_open(path, &database) == SQLITE_OK else { exit(1) }
        run(
            database,
            """
            PRAGMA journal_mode = WAL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 0;
            CREATE TABLE entry (directory INTEGER, name TEXT, slot INTEGER, flags INTEGER, validFrom INTEGER, validTo INTEGER,
                seenFrom INTEGER, seenTo INTEGER, listedFrom INTEGER, listedTo INTEGER, child INTEGER, size INTEGER,
                lastModified INTEGER, versionId TEXT, etag, PRIMARY KEY (directory, name, slot)) WITHOUT ROWID;
            BEGIN
            """)
        var statement: OpaquePointer?
        sqlite3_prepare_v2(
            database,
            "INSERT INTO entry VALUES (?, ?, ?, 0, ?, NULL, 1, NULL, 1, NULL, NULL, ?, NULL, ?, ?)", -1, &statement, nil
        )
        var random: UInt64 = 1
        var bytes = [UInt8](repeating: 0, count: 48)
        var name = [UInt8](repeating: 0, count: 8)
        for row in 0..<rows {
            // 64 rows a directory, names of 8 bytes, 32 letters of version id, 16 bytes of ETag.
            for index in 0..<48 {
                random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[index] = index < 32 ? UInt8(65 + (random >> 59) % 26) : UInt8(truncatingIfNeeded: random >> 56)
            }
            var number = row % 64
            for index in stride(from: 7, through: 0, by: -1) {
                name[index] = UInt8(48 + number % 10)
                number /= 10
            }
            sqlite3_bind_int64(statement, 1, row / 64 + 1)
            name.withUnsafeBytes { text in
                bytes.withUnsafeBytes { buffer in
                    guard let start = buffer.baseAddress else {
                        return
                    }
                    sqlite3_bind_text(statement, 2, text.baseAddress?.assumingMemoryBound(to: CChar.self), 8, nil)
                    sqlite3_bind_int64(statement, 3, row % 64 + 1)
                    sqlite3_bind_int64(statement, 4, 1_650_000_000_000 + row)
                    sqlite3_bind_int64(statement, 5, row % 100_000)
                    sqlite3_bind_text(statement, 6, start.assumingMemoryBound(to: CChar.self), 32, nil)
                    sqlite3_bind_blob(statement, 7, start + 32, 16, nil)
                    sqlite3_step(statement)
                    sqlite3_reset(statement)
                }
            }
        }
        sqlite3_finalize(statement)
        run(database, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
        sqlite3_close(database)
        unlink(path)
    }

    private static func run(_ database: OpaquePointer?, _ sql: String) {
        if sqlite3_exec(database, sql, nil, nil, nil) != SQLITE_OK {
            print(String(cString: sqlite3_errmsg(database)))
            exit(1)
        }
    }
}
