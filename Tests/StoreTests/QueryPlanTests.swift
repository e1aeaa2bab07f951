import Basics
import Foundation
import GRDBSQLite
import Testing
@testable import Index
@testable import Merge
@testable import SQLite
@testable import Store

/// Look-ups must cost the same at a thousand rows and at a hundred million: SQLite's own plans say whether they do.
@Suite struct QueryPlanTests {
    /// The plan of every statement that is compiled on a connection, by its SQL.
    private static func plans(_ connection: Connection) throws -> [String: [String]] {
        var plans: [String: [String]] = [:]
        var statement = sqlite3_next_stmt(connection.handle, nil)
        var texts: [String] = []
        while let current = statement {
            if let sql = sqlite3_sql(current) { texts.append(String(cString: sql)) }
            statement = sqlite3_next_stmt(connection.handle, current)
        }
        for text in texts where text.hasPrefix("SELECT") || text.hasPrefix("DELETE") || text.hasPrefix("UPDATE") {
            let explain = try connection.prepare("EXPLAIN QUERY PLAN \(text)")
            var steps: [String] = []
            while try explain.step() { steps.append(String(decoding: explain.bytes(3), as: UTF8.self)) }
            plans[text] = steps
        }
        return plans
    }

    private static func withStore(_ body: (Store) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "icecore-plans-\(UUID().uuidString)")
            .path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(try Store.create(at: directory, StoreConfiguration(bucket: "plans", inventory: nil)))
    }

    private static func check(_ plans: [String: [String]]) {
        for (sql, steps) in plans where sql.contains("entry") || sql.contains("directory") || sql.contains("failure") {
            for step in steps {
                #expect(!step.contains("SCAN"), "\(sql)\n\(steps)")
                #expect(!step.contains("TEMP B-TREE"), "\(sql)\n\(steps)")
            }
        }
    }

    @Test func everyLookUpOfAReaderIsASearch() throws {
        try Self.withStore { store in
            let reader = try store.reader()
            let cursor = try reader.cursor()
            let walk = try WalkCursor(reader.connection)
            let lookup = try NodeLookup(reader)
            let plans = try Self.plans(reader.connection)
            #expect(plans.count >= 5)
            Self.check(plans)
            withExtendedLifetime((cursor, walk, lookup)) {}
        }
    }

    @Test func everyChangeOfAWriterIsASearch() throws {
        try Self.withStore { store in
            let connection = try Connection(store.indexPath, readOnly: false)
            let applier = try ChangeApplier(connection, blobs: store.blobs, distrustsETags: true)
            let plans = try Self.plans(connection)
            #expect(plans.count >= 3)
            Self.check(plans)
            withExtendedLifetime(applier) {}
        }
    }

    @Test func theCheckItselfFindsAScan() throws {
        try Self.withStore { store in
            let connection = try Connection(store.indexPath, readOnly: true)
            let statement = try connection.prepare("SELECT count(*) FROM entry WHERE size = 1")
            #expect(try Self.plans(connection).values.joined().contains { $0.contains("SCAN") })
            withExtendedLifetime(statement) {}
        }
    }

    /// `missing` is found through its partial index, never through the rows that are complete.
    @Test func whatIsMissingIsFoundWithoutTheRest() throws {
        try Self.withStore { store in
            let connection = try Connection(store.indexPath, readOnly: true)
            let explain = try connection.prepare(
                "EXPLAIN QUERY PLAN SELECT name FROM entry INDEXED BY missing WHERE flags & 56 = 32")
            #expect(try explain.step())
            #expect(String(decoding: explain.bytes(3), as: UTF8.self).contains("INDEX missing"))
        }
    }

    /// So are the archived, refused, gone and pruned ones.
    @Test func whatIsAbsentIsFoundWithoutTheRest() throws {
        try Self.withStore { store in
            let connection = try Connection(store.indexPath, readOnly: true)
            let explain = try connection.prepare(
                "EXPLAIN QUERY PLAN SELECT name FROM entry WHERE \(EntryRow.Flags.isAbsent)")
            #expect(try explain.step())
            #expect(String(decoding: explain.bytes(3), as: UTF8.self).contains("INDEX absent"))
        }
    }
}
