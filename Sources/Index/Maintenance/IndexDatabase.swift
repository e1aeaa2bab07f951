import Basics
import GRDB
import Glibc
import SQLite
import Schema

/// The index as the writer uses it: migrated, with GRDB's queue for everything outside the hot loops.
public final class IndexDatabase: Sendable {
    public let path: String
    public let queue: DatabaseQueue

    /// The page size of a new index, in bytes.
    private static let pageSize = 4096

    /// Opens the index, creates it if there is none, and migrates an older one to the current schema.
    ///
    /// - Parameter keepsFormat: leaves an index of the format 1 or 2 in that format, since the store's lock is not held.
    public init(path: String, keepsFormat: Bool = false) throws {
        self.path = path
        var configuration = Configuration()
        configuration.busyMode = .callback { BusyWait.goOn($0, path) }
        configuration.prepareDatabase { db in
            // The page size must be set before the first table is created; it has no effect on an existing index.
            // The journal is set up here and not by GRDB's pool, which writes to the index whenever it is opened.
            try db.execute(
                sql:
                    "PRAGMA page_size = \(IndexDatabase.pageSize); PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"
            )
        }
        try WALIndex.checkRoom(beside: path)
        // SQLite would take from a new file what the umask leaves to the group.
        if !Files.exists(path) { try File(path, O_RDWR | O_CREAT | O_NOFOLLOW).close() }
        do {
            queue = try DatabaseQueue(path: path, configuration: configuration)
            // Opens the log.
            try queue.read { db in try db.execute(sql: "SELECT 1 FROM sqlite_schema LIMIT 1") }
            try WALIndex.reserve(beside: path)
            if keepsFormat, try !queue.read({ try $0.columns(in: "entry").contains { $0.name == "headers" } }) {
                try IndexDatabase.migrator.migrate(queue, upTo: Schema.lastOfFormat2)
            } else {
                try IndexDatabase.migrator.migrate(queue)
            }
            try queue.write { db in
                // At first, step 001 did not create this table.
                if try !db.tableExists("total") { try db.execute(sql: IndexTotals.make) }
            }
        } catch let error as DatabaseError {
            throw IcecoreError.index(error, path)
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for step in Schema.migrations {
            migrator.registerMigration(step.identifier) { db in
                if step.identifier == Schema.headers {
                    try HeaderMigration(db).run(step.sql)
                } else {
                    try db.execute(sql: step.sql)
                }
            }
        }
        return migrator
    }
}

extension IcecoreError {
    /// GRDB's error as a message about the index.
    static func index(_ error: DatabaseError, _ path: String) -> IcecoreError {
        let reason = error.message ?? "\(error.resultCode)"
        switch error.resultCode {
        case .SQLITE_FULL: return IcecoreError(.noSpace, "cannot write '\(path)': the disk is full")
        case .SQLITE_IOERR where isFull(path):
            return IcecoreError(.noSpace, "cannot write '\(path)': the disk is full")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return IcecoreError(
                .damaged,
                "'\(path)' is damaged (\(reason)): 'icecore reindex' rebuilds it from the inventories that "
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

    /// Whether the index says why contents are not in the store.
    package func knowsStates() throws(IcecoreError) -> Bool {
        try prepare("SELECT 1 FROM pragma_table_info('failure') WHERE name = 'state'").step()
    }

    /// Whether rows say which headers their versions have: the index has the format 3.
    package func knowsHeaders() throws(IcecoreError) -> Bool {
        try prepare("SELECT 1 FROM pragma_table_info('entry') WHERE name = 'headers'").step()
    }

    /// Whether the index has the column for the parts of uploads that are not of one size.
    package func knowsParts() throws(IcecoreError) -> Bool {
        try prepare("SELECT 1 FROM pragma_table_info('blob') WHERE name = 'parts'").step()
    }
}
