import Basics

/// The threads that read list files ahead of the thread that consumes their rows.
///
/// A free thread takes the most urgent step: one for the file that the consumer waits for, else one for the file opened
/// first whose results run low. The read-ahead of all files together is bounded in bytes.
final class ReaderPool: @unchecked Sendable {
    /// Something to do for one stage of one file.
    private enum Step {
        case read(CSVFileReader, CompressedChunk)
        case inflate(CSVFileReader)
        case parse(CSVFileReader, TextBlock?, RowBatch)
    }

    private let monitor = Monitor()
    private let memory: Int
    private let threadCount: Int
    private let progress: InventoryProgress

    // Guarded by the monitor.
    private var readers: [CSVFileReader] = []
    private var awaited: CSVFileReader?
    private var queuedBytes = 0
    private var isCancelled = false
    private var idleChunks: [CompressedChunk] = []
    private var idleBlocks: [TextBlock] = []
    private var idleBatches: [RowBatch] = []
    private var threads: [SystemThread] = []
    private var idleThreads = 0

    /// About how many bytes a file takes while it is read, apart from the read-ahead.
    static let memoryOfReader = 5 << 18

    /// - Parameter memory: about how many bytes all files together may take.
    init(threads: Int, memory: Int, progress: InventoryProgress) {
        threadCount = max(1, threads)
        self.memory = memory
        self.progress = progress
    }

    /// Starts to read a file, with lower priority than those opened before.
    func open(_ reader: CSVFileReader) throws {
        monitor.lock()
        defer { monitor.unlock() }
        readers.append(reader)
        try startThreads()
        monitor.announceWork()
    }

    /// Waits for the next rows of a file; nil at its end, once all its checks have passed.
    func next(of reader: CSVFileReader) throws -> RowBatch? {
        monitor.lock()
        defer { monitor.unlock() }
        while true {
            if isCancelled { throw IcecoreError(.interrupted, "interrupted") }
            if reader.fileError == nil, reader.contentError is UnsortedInventory || reader.contentError == nil,
                let batch = reader.batches.first
            {
                reader.batches.removeFirst()
                let size = ReaderPool.size(of: batch)
                reader.batchBytes -= size
                queuedBytes -= size
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
            }
            // Each of them returns with the lock held.
        }
        monitor.unlock()
    }

    /// How many bytes of parsed rows may wait.
    private var readAhead: Int {
        // Idle batches, and the one that the consumer holds, come on top.
        max(0, min(memory / 2, memory - readers.count * ReaderPool.memoryOfReader))
    }

    private func choose() -> Step? {
        if let awaited, let step = choose(awaited) { return step }
        for reader in readers where reader.batches.count < 2 {
            if let step = choose(reader) { return step }
        }
        for reader in readers {
            if let step = choose(reader) { return step }
        }
        return nil
    }

    private func choose(_ reader: CSVFileReader) -> Step? {
        let hasFailed = reader.contentError != nil || reader.fileError != nil
        // Every file may have two batches, so that a merge of any of them can continue.
        let depth = readers.count > 16 ? 1 : 2
        let mayParse = reader.batches.count < 2 || queuedBytes < readAhead
        if !hasFailed, !reader.isParsing, !reader.hasParsed, mayParse {
            if let block = reader.blocks.first {
                reader.blocks.removeFirst()
                reader.isParsing = true
                return .parse(reader, block, idleBatches.popLast() ?? RowBatch(capacity: 1 << 16, rows: 1024))
            }
            if reader.hasInflated {
                reader.isParsing = true
                return .parse(reader, nil, idleBatches.popLast() ?? RowBatch(capacity: 1 << 16, rows: 1024))
            }
        }
        if !hasFailed, !reader.isInflating, !reader.hasInflated, reader.blocks.count < depth,
            !reader.needsChunk || !reader.chunks.isEmpty || reader.hasRead
        {
            reader.isInflating = true
            return .inflate(reader)
        }
        // A file that has failed is only read further for its checksum.
        if !reader.isReading, !reader.hasRead, hasFailed || reader.chunks.count < 2 {
            reader.isReading = true
            return .read(reader, idleChunks.popLast() ?? CompressedChunk())
        }
        return nil
    }

    // MARK: Stages; each begins without the lock and ends with it

    private func read(_ reader: CSVFileReader, _ chunk: CompressedChunk) {
        let result = Result { try reader.read(into: chunk) }
        monitor.lock()
        reader.isReading = false
        switch result {
        case .success(true):
            if reader.contentError == nil { reader.chunks.append(chunk) } else { idleChunks.append(chunk) }
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
        if batch.rows.isEmpty {
            idleBatches.append(batch)
        } else {
            reader.batches.append(batch)
            let size = ReaderPool.size(of: batch)
            reader.batchBytes += size
            queuedBytes += size
        }
        switch result {
        case .success:
            if block == nil { reader.hasParsed = true }
        case .failure(let error):
            reader.fail(error)
        }
        announce(reader)
    }

    private func announce(_ reader: CSVFileReader) {
        if awaited === reader { monitor.announceResults() }
        if idleThreads > 0 { monitor.announceWork() }
    }
}
