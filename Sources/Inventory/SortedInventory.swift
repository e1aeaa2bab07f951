import Basics
import Synchronization

/// The rows of all list files of an inventory in key order.
///
/// Sorted list files, as AWS's mostly are, are merged while they are read. Unsorted ones are detected on the way, and
/// sorted through temporary files if asked to:
///
/// ```swift
/// var options = SortedInventory.Options(temporaryDirectory: store.temporaryDirectory)
/// do {
///     try plan(SortedInventory(manifest: manifest, files: paths, options: options))
/// } catch is UnsortedInventory {
///     options.sortExternally = true
///     try plan(SortedInventory(manifest: manifest, files: paths, options: options))
/// }
/// ```
///
/// Every list file's size and MD5 are compared with the manifest's; damage is thrown by ``next()``, at the latest
/// instead of its nil. Only one thread at a time may call ``next()``.
public final class SortedInventory: SortedRows {
    public struct Options: Sendable {
        /// Whether to sort through temporary files, instead of expecting sorted list files.
        public var sortExternally = false
        /// The directory for temporary files; they have no names, so none is left over.
        public var temporaryDirectory: String
        /// About how many bytes of memory to use, read-ahead included.
        public var memoryLimit = 192 << 20
        /// How many threads decompress and parse, beside the one that calls ``SortedInventory/next()``.
        public var threads = 2
        /// The most list files that are read at once; with more overlapping, the inventory counts as unsorted.
        public var mostOpenFiles = 64
        /// The most sorted runs that are merged at once.
        var fanIn = 128

        public init(temporaryDirectory: String) {
            self.temporaryDirectory = temporaryDirectory
        }
    }

    /// How far the reading has got; any thread may ask.
    public let progress: InventoryProgress

    private let manifest: InventoryManifest
    private let paths: [String]
    private let options: Options
    private let pool: ReaderPool
    private var rows: (any RowSource)?
    private var failure: (any Error)?
    private var isFinished = false
    private let isCancelled = Atomic<Bool>(false)

    /// - Parameters:
    ///   - files: the local path of each list file, in the manifest's order.
    /// - Throws: `invalidData` if the number of paths is not that of the list files.
    public init(manifest: InventoryManifest, files: [String], options: Options) throws {
        guard files.count == manifest.files.count else {
            throw IcecoreError(
                .invalidData,
                "the manifest '\(Display.escaped(manifest.origin))' names \(manifest.files.count) list files, but "
                    + "\(files.count) were fetched; fetch them again")
        }
        var total: Int64 = 0
        for file in manifest.files { total = total.addingReportingOverflow(file.size ?? 0).partialValue }
        self.manifest = manifest
        self.options = options
        paths = files
        progress = InventoryProgress(total: total)
        // An external sort needs most of the memory itself, and reads at most two files at a time.
        pool = ReaderPool(
            threads: options.threads, memory: options.memoryLimit / (options.sortExternally ? 4 : 1) * 3 / 4,
            progress: progress)
    }

    deinit {
        pool.cancel()
    }

    /// Stops the threads and waits for their end; from then on, ``next()`` throws.
    public func cancel() {
        isCancelled.store(true, ordering: .relaxed)
        pool.cancel()
    }

    /// The next rows; nil once all rows of all files have been returned and every check has passed.
    ///
    /// - Throws: `invalidData` for damage, naming file and line; ``UnsortedInventory``; `interrupted`.
    public func next() throws -> RowBatch? {
        if let failure { throw failure }
        if isFinished { return nil }
        do {
            try Interruption.check()
            if isCancelled.load(ordering: .relaxed) { throw IcecoreError(.interrupted, "interrupted") }
            let source = try rows ?? open()
            rows = source
            if let batch = try source.next() { return batch }
            isFinished = true
            pool.cancel()
            return nil
        } catch {
            failure = error
            pool.cancel()
            throw error
        }
    }

    private func open() throws -> any RowSource {
        options.sortExternally ? try sort() : try mergeSorted()
    }

    private func mergeSorted() throws -> any RowSource {
        var order: [(index: Int, key: [UInt8])] = []
        var keyBytes = 0
        for index in paths.indices {
            try Interruption.check()
            // A single file needs no order among files.
            let key =
                paths.count == 1 ? [] : try ListFileReader.firstKey(manifest, index, path: paths[index])
            order.append((index, key ?? []))
            // Very long first keys of a million files must not fill the memory.
            keyBytes += key?.count ?? 0
            if keyBytes > max(1 << 16, options.memoryLimit / 8) { throw UnsortedInventory(file: nil, line: 0) }
        }
        order.sort { $0.key.lexicographicallyPrecedes($1.key) }
        let sequence = ListFileSequence(pool: pool) { [manifest, paths, progress] place in
            let index = order[place].index
            return ListFileReader.make(manifest, index, path: paths[index], mustBeSorted: true, progress)
        }
        sequence.count = order.count
        let cursors = order.enumerated().map { place, file in
            MergeCursor(ListFileSource(sequence, place), firstKey: file.key, order: place)
        }
        let memory = manifest.format.isColumnar ? ColumnarFileReader.memory : CSVFileReader.memory
        let affordable = options.memoryLimit / 2 / memory
        return SortedMerge(cursors, mostOpen: max(2, min(options.mostOpenFiles, affordable)))
    }

    private func sort() throws -> any RowSource {
        let sequence = ListFileSequence(pool: pool) { [manifest, paths, progress] index in
            ListFileReader.make(manifest, index, path: paths[index], mustBeSorted: false, progress)
        }
        sequence.count = paths.count
        let sort = ExternalSort(
            directory: options.temporaryDirectory, memory: options.memoryLimit / 2, fanIn: options.fanIn)
        for place in paths.indices {
            let source = ListFileSource(sequence, place)
            while let batch = try source.next() {
                try Interruption.check()
                try sort.add(batch)
            }
        }
        pool.cancel()
        return try sort.finish()
    }
}
