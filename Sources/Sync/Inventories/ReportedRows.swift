import Inventory

/// The rows of an inventory, passed on with a report of the progress.
final class ReportedRows: SortedRows {
    private let rows: SortedInventory
    private let files: Int
    private let reporter: SyncReporter

    init(_ rows: SortedInventory, files: Int, _ reporter: SyncReporter) {
        self.rows = rows
        self.files = files
        self.reporter = reporter
    }

    func next() throws -> RowBatch? {
        let progress = rows.progress
        reporter.progress(
            .merging(
                rows: progress.rowsParsed, files: Int(progress.filesDone), ofFiles: files,
                bytes: progress.compressedBytesRead, of: progress.totalCompressedBytes))
        return try rows.next()
    }
}
