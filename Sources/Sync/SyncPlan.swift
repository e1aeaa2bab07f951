import Basics
import Index
import Inventory
import Merge
import Model
import Store

/// The merge of one inventory with the index. Its list files are first trusted to be sorted; if they are not, they are
/// sorted and merged again.
final class SyncPlan {
    /// What a merge found.
    struct Found<Sink: ChangeSink> {
        var summary: IndexMerge.Summary
        var changes: Sink
        var wants: FetchQueue
        /// Versions of which only the headers are wanted.
        var headerWants: FetchQueue
    }

    private let store: Store
    private let policy: DownloadPolicy
    private let reader: IndexReader
    private let point: Timeline.Point
    private let reporter: SyncReporter

    init(
        _ store: Store, _ policy: DownloadPolicy, _ reader: IndexReader, _ point: Timeline.Point,
        _ reporter: SyncReporter
    ) {
        self.store = store
        self.policy = policy
        self.reader = reader
        self.point = point
        self.reporter = reporter
    }

    /// - Parameter makeSink: makes an empty sink for the changes; called again for a second attempt.
    func merge<Sink: ChangeSink>(
        _ inventory: FetchedInventory, into makeSink: () throws -> Sink
    ) throws -> Found<Sink> {
        var options = SortedInventory.Options(temporaryDirectory: store.temporaryPath)
        do {
            return try merge(inventory, options, makeSink())
        } catch let unsorted as UnsortedInventory {
            reporter.note("\(unsorted): sorting first")
            options.sortExternally = true
            return try merge(inventory, options, makeSink())
        }
    }

    private func merge<Sink: ChangeSink>(
        _ inventory: FetchedInventory, _ options: SortedInventory.Options, _ sink: Sink
    ) throws -> Found<Sink> {
        let wants = try FetchQueue(directory: store.temporaryPath)
        let headerWants = try FetchQueue(directory: store.temporaryPath)
        let rows = try SortedInventory(manifest: inventory.manifest, files: inventory.paths, options: options)
        let files = inventory.manifest.files
        let parameters = IndexMerge.Parameters(
            timeline: Timeline(reader.timeline.points + [point], horizons: reader.timeline.horizons),
            snapshotId: point.id, policy: policy,
            place: { row in
                let file = Int(row.file) < files.count ? files[Int(row.file)].key : "?"
                return "list file '\(file)', line \(row.line)"
            },
            want: { try wants.append($0) }, wantHeaders: { try headerWants.append($0) })
        let reported = ReportedRows(rows, files: files.count, reporter)
        defer { rows.cancel() }
        let summary = try IndexMerge(parameters, reader: reader, sink: sink).run(reported)
        return Found(summary: summary, changes: sink, wants: wants, headerWants: headerWants)
    }
}
