import Basics
import Index
import Merge
import Model
import SQLite
import Store

extension IndexReader {
    /// Passes every row whose content the index calls neither present nor pruned to `body`, with its directory and that
    /// one's prefix.
    func forEachLacking(
        _ progress: (Int) -> Void, _ body: (_ row: EntryRow, _ directory: Int64, _ prefix: [UInt8]) throws -> Void
    ) throws {
        let columns = try connection.entryColumns(withDirectory: true)
        let rows = try connection.prepare(
            """
            SELECT \(columns) FROM entry
            WHERE child IS NULL AND \(EntryRow.Flags.condition(none: [.marker, .present, .pruned]))
            """)
        var count = 0
        while try rows.step() {
            count += 1
            if count & 0xFF == 0 {
                try Interruption.check()
                progress(count)
            }
            let directory = rows.integer(EntryRow.directoryColumn)
            guard let prefix = try prefix(of: directory) else { continue }
            try body(EntryRow(rows), directory, prefix)
        }
    }
}

/// Has the rows know which contents have come, as the commit of a sync does.
struct LackingRows {
    let store: Store

    /// Rewrites every row whose content the store has and the index does not call present. A row that never asked for its
    /// content is in none of the indexes of rows without a blob, so all rows are looked at.
    func recordWhatCame(_ progress: (Int) -> Void) throws {
        let spool = try ChangeSpool(directory: store.temporaryPath)
        let reader = try store.reader()
        let contents = try IndexedContents(store, reader)
        let changes = ChangeWriter(spool)
        try reader.forEachLacking(progress) { row, directory, prefix in
            guard let content = try contents.content(of: row, prefix: prefix), try contents.isThere(content) else {
                return
            }
            changes.put(StoredTenure(row), row, in: directory, isNew: false, prefix: prefix, checks: .blob)
            try changes.flushIfFull()
        }
        try changes.flush()
        reader.end()
        if spool.isEmpty { return }
        let writer = try IndexWriter(store, keepsHeaders: true)
        try spool.replay(into: writer)
        _ = try writer.commit(nil)
    }
}
