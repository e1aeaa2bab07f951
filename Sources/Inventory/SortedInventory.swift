import Basics
import Synchronization

/// The list files of an inventory are not sorted by key, or too many of them overlap: what to do is to begin again with
/// ``SortedInventory/Options/sortExternally``.
public struct UnsortedInventory: Error, CustomStringConvertible {
    /// The list file's key and the line (from 1 on) whose key is below the one before; nil where files overlap.
    public let file: String?
    public let line: UInt32

    public var description: String {
        guard let file else { return "too many list files of the inventory overlap to be merged as they are" }
        return "list file '\(Display.text(file))' is not sorted by key: line \(line) belongs before the one above it"
    }
}

/// The rows of all list files of an inventory in key order.
///
/// List files that are sorted in themselves, as AWS's mostly are, are merged as they are read; those that are not are
/// found out on the way, and sorted through temporary files when asked to:
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
/// in place of its nil. One thread at a time may call ``next()``.
public final class SortedInventory: SortedRows {
    public struct Options: Sendable {
        /// Whether to sort through temporary files, instead of expecting list files that are sorted in themselves.
        public var sortExternally = false
        /// Where temporary files go; they have no names, so that none is left over.
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

    /// How far the reading has come; any thread may ask.
    public let progress: InventoryProgress

    private let manifest: Manifest
    private let paths: [String]
    private let options: Options
    private let pool: ReaderPool
    private var rows: (any RowSource)?
    private var failure: (any Error)?
    private var isFinished = false
    private let isCancelled = Atomic<Bool>(false)

    /// - Parameters:
    ///   - files: the local path of each list file, in the manifest's order.
    /// - Throws: `invalidData` where there are not as many paths as list files.
    public init(manifest: Manifest, files: [String], options: Options) throws {
        guard files.count == manifest.files.count else {
            throw IcecoreError(
                .invalidData,
                "the manifest '\(Display.text(manifest.origin))' names \(manifest.files.count) list files, but "
                    + "\(files.count) were fetched; fetch them again")
        }
        var total: Int64 = 0
        for file in manifest.files { total = total.addingReportingOverflow(file.size ?? 0).partialValue }
        self.manifest = manifest
        self.options = options
        paths = files
        progress = InventoryProgress(total: total)
        // An external sort needs most of the memory for itself, and reads two files at a time at most.
        pool = ReaderPool(
            threads: options.threads, memory: options.memoryLimit / (options.sortExternally ? 4 : 1) * 3 / 4,
            progress: progress)
    }

    deinit {
        pool.cancel()
    }

    /// Stops the threads and waits until they have ended; ``next()`` throws from then on.
    public func cancel() {
        isCancelled.store(true, ordering: .relaxed)
        pool.cancel()
    }

    /// The next rows; nil once all rows of all files have been handed out and every check has passed.
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
            // With one file there is no order among files to find.
            let key =
                paths.count == 1 ? [] : try ListReader.firstKey(manifest: manifest, index: index, path: paths[index])
            order.append((index, key ?? []))
            // A million files that begin with very long keys must not fill the memory.
            keyBytes += key?.count ?? 0
            if keyBytes > max(1 << 16, options.memoryLimit / 8) { throw UnsortedInventory(file: nil, line: 0) }
        }
        order.sort { $0.key.lexicographicallyPrecedes($1.key) }
        let sequence = ListSequence(pool: pool) { [manifest, paths, progress] place in
            let index = order[place].index
            return ListReader(
                manifest: manifest, index: index, path: paths[index], mustBeSorted: true, progress: progress)
        }
        sequence.count = order.count
        let cursors = order.enumerated().map { place, file in
            Cursor(ListSource(sequence, place), firstKey: file.key, order: place)
        }
        let affordable = options.memoryLimit / 2 / ReaderPool.memoryOfReader
        return Merge(cursors, mostOpen: max(2, min(options.mostOpenFiles, affordable)))
    }

    private func sort() throws -> any RowSource {
        let sequence = ListSequence(pool: pool) { [manifest, paths, progress] index in
            ListReader(manifest: manifest, index: index, path: paths[index], mustBeSorted: false, progress: progress)
        }
        sequence.count = paths.count
        let sort = ExternalSort(
            directory: options.temporaryDirectory, memory: options.memoryLimit / 2, fanIn: options.fanIn)
        for place in paths.indices {
            let source = ListSource(sequence, place)
            while let batch = try source.next() {
                try Interruption.check()
                try sort.add(batch)
            }
        }
        pool.cancel()
        return try sort.finish()
    }
}

/// The list files in the order in which they will be needed: when one is needed, the next is read ahead already.
private final class ListSequence {
    let pool: ReaderPool
    var count = 0
    private let make: (Int) -> ListReader
    private var opened: [Int: ListReader] = [:]
    private var firstUnopened = 0

    init(pool: ReaderPool, make: @escaping (Int) -> ListReader) {
        self.pool = pool
        self.make = make
    }

    /// Opens what is needed now, and one more.
    func open(_ place: Int) throws -> ListReader {
        while firstUnopened < count, firstUnopened <= place + 1 {
            let reader = make(firstUnopened)
            try pool.open(reader)
            opened[firstUnopened] = reader
            firstUnopened += 1
        }
        if let reader = opened.removeValue(forKey: place) { return reader }
        let reader = make(place)
        try pool.open(reader)
        return reader
    }
}

private final class ListSource: RowSource {
    private let sequence: ListSequence
    private let place: Int
    private var reader: ListReader?
    private var batch: RowBatch?

    init(_ sequence: ListSequence, _ place: Int) {
        self.sequence = sequence
        self.place = place
    }

    func next() throws -> RowBatch? {
        if let batch {
            sequence.pool.recycle(batch)
            self.batch = nil
        }
        let reader = try reader ?? sequence.open(place)
        self.reader = reader
        batch = try sequence.pool.next(of: reader)
        if batch == nil { self.reader = nil }
        return batch
    }
}
