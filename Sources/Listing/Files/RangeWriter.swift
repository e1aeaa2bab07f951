import Basics
import Glibc
import S3
import Synchronization

/// The thread that writes list files, and the record of those that are complete.
final class RangeWriter: @unchecked Sendable {
    /// What it is to do for a range.
    enum Job: Sendable {
        case rows(range: Int, from: [UInt8], S3VersionPage, Range<Int>, [KeyReplacement])
        case finish(range: Int, from: [UInt8], upper: [UInt8]?)
    }

    private struct Achievement {
        var pieces: [ListedPiece] = []
        var failure: (any Error)?
    }

    private let jobs = Channel<Job>(limit: 32)
    private let directory: String
    private let progress = Mutex(Achievement())
    private var thread: SystemThread?
    // Only the thread touches these.
    private var outputs: [Int: RangeOutput] = [:]
    private var nextNumber: Int
    private let lines: InventoryLines
    private let record: (ListedPiece) throws -> Void

    /// - Parameters:
    ///   - nextNumber: the first number that no list file has.
    ///   - record: writes down a complete piece; called by the thread.
    init(
        _ lines: InventoryLines, in directory: String, nextNumber: Int, record: @escaping (ListedPiece) throws -> Void
    ) throws {
        self.lines = lines
        self.directory = directory
        self.nextNumber = nextNumber
        self.record = record
        thread = try SystemThread("range-writer") { [self] in work() }
    }

    /// Hands over something to do; waits while too much is waiting.
    func send(_ job: sending Job) throws {
        try check()
        jobs.send(job)
    }

    /// Throws what the thread has failed at.
    func check() throws {
        if let failure = progress.withLock(\.failure) { throw failure }
    }

    /// Waits for the end of all that was handed over.
    ///
    /// - Returns: the complete pieces.
    func finish() throws -> [ListedPiece] {
        stop()
        try check()
        return progress.withLock(\.pieces)
    }

    /// Ends the thread.
    func stop() {
        jobs.close()
        thread?.join()
        thread = nil
    }

    private func work() {
        while let job = jobs.receive() {
            guard progress.withLock({ $0.failure == nil }) else { continue }
            do {
                try perform(job)
            } catch {
                progress.withLock { $0.failure = error }
            }
        }
    }

    private func perform(_ job: Job) throws {
        switch job {
        case .rows(let range, let lower, let page, let rows, let replacements):
            try output(range, lower) { try $0.add(page, rows, replacements) }
        case .finish(let range, let lower, let upper):
            try output(range, lower) { try $0.finish(upper) }
            outputs[range] = nil
        }
    }

    private func output(_ range: Int, _ lower: [UInt8], _ body: (inout RangeOutput) throws -> Void) throws {
        var output =
            outputs.removeValue(forKey: range)
            ?? RangeOutput(
                from: lower, lines: lines, in: directory,
                takeName: { [self] in
                    defer { nextNumber += 1 }
                    return ListedPiece.name(nextNumber)
                },
                record: { [self] piece in
                    try record(piece)
                    progress.withLock { $0.pieces.append(piece) }
                })
        try body(&output)
        outputs[range] = output
    }
}
