import Basics
import GRDB
import SQLite
import Schema

/// The index as the writer has it: migrated, with GRDB's queue for everything that is not a hot loop.
public final class IndexDatabase: Sendable {
    public let path: String
    public let queue: DatabaseQueue

    /// Bytes a page of a new index.
    private static let pageSize = 4096

    /// Opens the index, creates it where there is none, and brings an older one to the current schema.
    public init(path: String) throws {
        self.path = path
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { db in
            // The page size is settled before the first table is made; it changes nothing in an index that exists.
            // The journal is set up here and not by GRDB's pool, which writes to the index each time that it is opened.
            try db.execute(
                sql:
                    "PRAGMA page_size = \(IndexDatabase.pageSize); PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"
            )
        }
        do {
            queue = try DatabaseQueue(path: path, configuration: configuration)
            try IndexDatabase.migrator.migrate(queue)
            try queue.write { db in
                // The step 001 made no such table at first.
                if try !db.tableExists("total") { try db.execute(sql: IndexTotals.make) }
            }
        } catch let error as DatabaseError {
            throw IcecoreError.index(error, path)
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for step in Schema.migrations {
            migrator.registerMigration(step.identifier) { db in try db.execute(sql: step.sql) }
        }
        return migrator
    }
}

extension IcecoreError {
    /// GRDB's error as a sentence about the index.
    static func index(_ error: DatabaseError, _ path: String) -> IcecoreError {
        let reason = error.message ?? "\(error.resultCode)"
        switch error.resultCode {
        case .SQLITE_FULL: return IcecoreError(.noSpace, "cannot write '\(path)': the disk is full")
        case .SQLITE_IOERR where isFull(path):
            return IcecoreError(.noSpace, "cannot write '\(path)': the disk is full")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return IcecoreError(
                .damaged,
                "'\(path)' is damaged (\(reason)): 'icecore reindex' makes it again from the inventories that "
                    + "the store keeps")
        default: return IcecoreError(.system, "cannot use the index '\(path)': \(reason)")
        }
    }
}

extension Connection {
    /// Whether the index has the tables that prunes write to.
    package func knowsPrunes() throws(IcecoreError) -> Bool {
        try prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'prune'").step()
    }
}
