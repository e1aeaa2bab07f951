import Basics

/// The threads that read list files ahead of the thread that consumes their rows.
///
/// A free thread takes the most urgent step: one for the file that the consumer waits for, else one for the file opened
/// first whose results run low. The read-ahead of all files together is bounded in bytes.
final class ReaderPool: @unchecked Sendable {
    /// Something to do for one stage of one file.
    private enum Step {
        case read(ListFileReader, CompressedChunk)
        case inflate(CSVFileReader)
        case parse(CSVFileReader, TextBlock?, RowBatch)
        case open(ColumnarFileReader)
        case decode(ColumnarFileReader, ColumnarFileReader.OpenGroup, RowBatch)
    }

    private let monitor = Monitor()
    private let memory: Int
    private let threadCount: Int
    private let progress: InventoryProgress

    // Guarded by the monitor.
    private var readers: [ListFileReader] = []
    private var awaited: ListFileReader?
    private var queuedBytes = 0
    private var isCancelled = false
    private var idleChunks: [CompressedChunk] = []
    private var idleBlocks: [TextBlock] = []
    private var idleBatches: [RowBatch] = []
    private var threads: [SystemThread] = []
    private var idleThreads = 0
    /// How many groups of columnar files are being decoded.
    private var openGroups = 0

    /// The most groups of columnar files that are decoded ahead of what is asked for.
    private static let mostGroups = 3

    /// - Parameter memory: about how many bytes all files together may take.
    init(threads: Int, memory: Int, progress: InventoryProgress) {
        threadCount = max(1, threads)
        self.memory = memory
        self.progress = progress
    }

    /// Starts to read a file, with lower priority than those opened before.
    func open(_ reader: ListFileReader) throws {
        monitor.lock()
        defer { monitor.unlock() }
        readers.append(reader)
        try startThreads()
        monitor.announceWork()
    }

    /// Waits for the next rows of a file; nil at its end, once all its checks have passed.
    func next(of reader: ListFileReader) throws -> RowBatch? {
        monitor.lock()
        defer { monitor.unlock() }
        while true {
            if isCancelled { throw IcecoreError(.interrupted, "interrupted") }
            if reader.fileError == nil, reader.contentError is UnsortedInventory || reader.contentError == nil,
                let batch = try reader.takeBatch()
            {
                queuedBytes -= ReaderPool.size(of: batch)
                awaited = nil
                if idleThreads > 0 { monitor.announceWork() }
                return batch
            }
            if let error = reader.fileError { throw error }
            if let error = reader.contentError {
                // Damage to the file explains an error in its content; rows out of order are not damage.
                if reader.hasRead || error is UnsortedInventory { throw error }
            } else if reader.hasParsed, reader.hasRead {
                readers.removeAll { $0 === reader }
                progress.addFile()
                awaited = nil
                return nil
            }
            if awaited !== reader {
                awaited = reader
                monitor.announceWork()
            }
            monitor.waitForResults()
        }
    }

    /// Takes a batch back for reuse.
    func recycle(_ batch: RowBatch) {
        monitor.lock()
        // As many as fit into the read-ahead, at a few hundred kilobytes each.
        if idleBatches.count < max(16, readAhead >> 18) { idleBatches.append(batch) }
        monitor.unlock()
    }

    /// Stops all threads and waits until they have ended. May be called more than once.
    func cancel() {
        monitor.lock()
        isCancelled = true
        let running = threads
        threads = []
        monitor.announceWork()
        monitor.announceResults()
        monitor.unlock()
        for thread in running { thread.join() }
    }

    static func size(of batch: RowBatch) -> Int {
        batch.used + batch.rows.count * MemoryLayout<InventoryRow>.stride
    }

    // MARK: Threads

    private func startThreads() throws {
        while threads.count < threadCount, !isCancelled {
            do {
                threads.append(try SystemThread("list-reader") { [self] in work() })
            } catch {
                // One thread is enough.
                if threads.isEmpty { throw error }
                return
            }
        }
    }

    private func work() {
        monitor.lock()
        while !isCancelled {
            guard let step = choose() else {
                idleThreads += 1
                monitor.waitForWork()
                idleThreads -= 1
                continue
            }
            // There may be more for the others.
            if idleThreads > 0 { monitor.announceWork() }
            monitor.unlock()
            switch step {
            case .read(let reader, let chunk): read(reader, chunk)
            case .inflate(let reader): inflate(reader)
            case .parse(let reader, let block, let batch): parse(reader, block, batch)
            case .open(let reader): open(columns: reader)
            case .decode(let reader, let group, let batch): decode(reader, group, batch)
            }
            // Each of them returns with the lock held.
        }
        monitor.unlock()
    }

    /// How many bytes of parsed rows may wait.
    private var readAhead: Int {
        // Idle batches, and the one that the consumer holds, come on top.
        max(0, min(memory / 2, memory - readers.reduce(0) { $0 + $1.memory }))
    }

    private func choose() -> Step? {
        if let awaited, let step = choose(awaited) { return step }
        for reader in readers where reader.readyCount < 2 {
            if let step = choose(reader) { return step }
        }
        for reader in readers {
            if let step = choose(reader) { return step }
        }
        return nil
    }

    private func choose(_ reader: ListFileReader) -> Step? {
        let hasFailed = reader.contentError != nil || reader.fileError != nil
        if !hasFailed {
            let step =
                switch reader {
                case let reader as CSVFileReader: chooseRows(reader)
                case let reader as ColumnarFileReader: chooseRows(reader)
                default: nil as Step?
                }
            if let step { return step }
        }
        // A file that has failed is only read further for its checksum.
        if !reader.isReading, !reader.hasRead, hasFailed || reader.wantsBytes {
            reader.isReading = true
            return .read(reader, idleChunks.popLast() ?? CompressedChunk())
        }
        return nil
    }

    private func idleBatch() -> RowBatch {
        idleBatches.popLast() ?? RowBatch(capacity: 1 << 16, rows: 1024)
    }

    private func chooseRows(_ reader: CSVFileReader) -> Step? {
        // Every file may have two batches, so that a merge of any of them can continue.
        let depth = readers.count > 16 ? 1 : 2
        let mayParse = reader.batches.count < 2 || queuedBytes < readAhead
        if !reader.isParsing, !reader.hasParsed, mayParse {
            if let block = reader.blocks.first {
                reader.blocks.removeFirst()
                reader.isParsing = true
                return .parse(reader, block, idleBatch())
            }
            if reader.hasInflated {
                reader.isParsing = true
                return .parse(reader, nil, idleBatch())
            }
        }
        if !reader.isInflating, !reader.hasInflated, reader.blocks.count < depth,
            !reader.needsChunk || !reader.chunks.isEmpty || reader.hasRead
        {
            reader.isInflating = true
            return .inflate(reader)
        }
        return nil
    }

    private func chooseRows(_ reader: ColumnarFileReader) -> Step? {
        guard reader.isOpen else {
            if reader.isOpening { return nil }
            reader.isOpening = true
            return .open(reader)
        }
        for group in reader.groups where !group.isDecoding && !group.hasEnded {
            guard group.batches.count < 2 || queuedBytes < readAhead else { continue }
            group.isDecoding = true
            return .decode(reader, group, idleBatch())
        }
        // What is waited for may always go on.
        let isNeeded = awaited === reader && reader.groups.isEmpty
        guard isNeeded || (openGroups < ReaderPool.mostGroups && queuedBytes < readAhead),
            let group = reader.beginGroup()
        else { return nil }
        openGroups += 1
        group.isDecoding = true
        return .decode(reader, group, idleBatch())
    }

    // MARK: Stages; each begins without the lock and ends with it

    private func read(_ reader: ListFileReader, _ chunk: CompressedChunk) {
        let result = Result { try reader.read(into: chunk) }
        monitor.lock()
        reader.isReading = false
        switch result {
        case .success(true):
            if reader.contentError == nil, let reader = reader as? CSVFileReader {
                reader.chunks.append(chunk)
            } else {
                idleChunks.append(chunk)
            }
        case .success(false):
            reader.hasRead = true
            idleChunks.append(chunk)
        case .failure(let error):
            reader.hasRead = true
            reader.fileError = error
            idleChunks.append(chunk)
        }
        announce(reader)
    }

    private func inflate(_ reader: CSVFileReader) {
        var full: TextBlock?
        var failure: (any Error)?
        var isFinished = false
        while full == nil, failure == nil {
            monitor.lock()
            let needsBlock = !reader.hasStartedBlock
            let block = needsBlock ? idleBlocks.popLast() : nil
            if reader.needsChunk {
                if let chunk = reader.chunks.first {
                    reader.chunks.removeFirst()
                    if let done = reader.exchange(chunk) { idleChunks.append(done) }
                    if idleThreads > 0 { monitor.announceWork() }
                } else if reader.hasRead {
                    isFinished = true
                    if let done = reader.takeChunk() { idleChunks.append(done) }
                } else {
                    reader.isInflating = false
                    if let block { idleBlocks.append(block) }
                    return
                }
            }
            monitor.unlock()
            if isFinished {
                do { full = try reader.finishInflating() } catch { failure = error }
                break
            }
            if needsBlock { reader.start(block ?? TextBlock()) }
            do { full = try reader.inflate() } catch { failure = error }
        }
        monitor.lock()
        reader.isInflating = false
        if let full { reader.blocks.append(full) }
        if isFinished { reader.hasInflated = true }
        if let failure { reader.fail(failure) }
        announce(reader)
    }

    private func parse(_ reader: CSVFileReader, _ block: TextBlock?, _ batch: RowBatch) {
        let result = Result { try reader.parse(block, into: batch) }
        monitor.lock()
        reader.isParsing = false
        if let block { idleBlocks.append(block) }
        queue(batch, &reader.batches)
        switch result {
        case .success:
            if block == nil { reader.hasParsedAll = true }
        case .failure(let error):
            reader.fail(error)
        }
        announce(reader)
    }

    private func queue(_ batch: RowBatch, _ batches: inout [RowBatch]) {
        if batch.rows.isEmpty {
            idleBatches.append(batch)
        } else {
            batches.append(batch)
            queuedBytes += ReaderPool.size(of: batch)
        }
    }

    private func open(columns reader: ColumnarFileReader) {
        let result = Result { try reader.openColumns() }
        monitor.lock()
        reader.isOpening = false
        switch result {
        case .success: reader.isOpen = true
        case .failure(let error): reader.fail(error)
        }
        announce(reader)
    }

    private func decode(_ reader: ColumnarFileReader, _ group: ColumnarFileReader.OpenGroup, _ batch: RowBatch) {
        let result = Result { try reader.decode(group, into: batch) }
        monitor.lock()
        group.isDecoding = false
        queue(batch, &group.batches)
        switch result {
        case .success(let goesOn):
            if goesOn { break }
            openGroups -= 1
            reader.end(group)
        case .failure(let error):
            openGroups -= 1
            reader.end(group)
            reader.fail(error)
        }
        announce(reader)
    }

    private func announce(_ reader: ListFileReader) {
        if awaited === reader { monitor.announceResults() }
        if idleThreads > 0 { monitor.announceWork() }
    }
}
