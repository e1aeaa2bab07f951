import Basics
import CFuse3
import Glibc
import Index
import Model
import Synchronization

/// What each thread that serves requests has of its own: a reader of the index that keeps its state between requests,
/// buffers, open blobs.
///
/// Its lock is held while it serves a request; between requests the commit watcher may release the reader's state.
final class RequestWorker: @unchecked Sendable {
    let files: FileSystem
    let lock = Lock()
    let turnstile: RequestTurnstile
    /// Its turn while it serves with the turnstile's token; else 0.
    var turn = 0
    private(set) var reader: IndexReader
    private(set) var nodes: NodeLookup
    private(set) var scan: DirectoryScan
    var blobs: BlobFiles
    /// A blob to close once its request is answered; -1: none.
    var unneeded: Int32 = -1
    /// Page-aligned, for reads.
    let buffer: UnsafeMutableRawPointer
    /// For listings.
    let entries: UnsafeMutablePointer<CChar>
    /// In the index, of the row that was last found.
    var name: [UInt8] = []

    private var generation = 0
    /// Which file the index was, as ``FileSystem/openings`` counts them.
    private var opening = 0
    private var views: [UInt32: CurrentView] = [:]

    init(_ files: FileSystem, _ turnstile: RequestTurnstile) throws {
        self.files = files
        self.turnstile = turnstile
        reader = try files.store.reader()
        reader.readAround()
        nodes = try NodeLookup(reader)
        scan = try DirectoryScan(reader)
        blobs = BlobFiles(files.store.blobs)
        buffer = .allocate(byteCount: FileSystem.largestRead, alignment: 4096)
        entries = .allocate(capacity: FileSystem.largestRead)
        reader.end()
    }

    deinit {
        buffer.deallocate()
        entries.deallocate()
    }

    // MARK: The state that is read

    /// Serves a request from the newest known state of the index.
    @inline(__always)
    func serve(_ request: Request, _ body: (RequestWorker) throws -> Void) {
        lock.lock()
        defer { lock.unlock() }
        do {
            let newest = files.generation.load(ordering: .acquiring)
            if generation != newest { try renew(newest) }
            try body(self)
        } catch {
            files.log.write("\(error)")
            fuse_reply_err(request, EIO)
        }
    }

    private func renew(_ newest: Int) throws {
        generation = 0
        views.removeAll(keepingCapacity: true)
        blobs.closeAll()
        scan.close()
        let newestOpening = files.openings.load(ordering: .acquiring)
        if opening != newestOpening {
            let opened = try files.store.reader()
            opened.readAround()
            nodes = try NodeLookup(opened)
            scan = try DirectoryScan(opened)
            reader = opened
            opening = newestOpening
        } else {
            try reader.begin()
        }
        generation = newest
    }

    /// Does what can wait until the answer is sent.
    @inline(__always)
    func afterAnswer() {
        if unneeded < 0 { return }
        close(unneeded)
        unneeded = -1
    }

    /// Lets another thread take the next request, because this one is about to wait.
    func willWait() {
        if turn != 0, turnstile.end(turn) { turnstile.pass() }
    }

    /// Releases the state, so that the write-ahead log can be checkpointed past it. The next request reads a new one.
    func rest() {
        lock.withLock {
            generation = 0
            scan.close()
            reader.end()
            // The next read says that its file is still in use.
            blobs.closeAll()
        }
    }

    /// The view of a number; nil if there is none, or no longer.
    func view(_ number: UInt32) throws -> CurrentView? {
        if let known = views[number] { return known }
        guard let source = files.views.source(number), let view = source.view(in: reader.timeline) else { return nil }
        var time = timespec(view.time)
        if source.follows, source != .latest { time.tv_nsec = files.knowledge.load(ordering: .relaxed) % 1_000_000 }
        let current = CurrentView(
            number: number, source: source, view: view, time: time, entryTimeout: files.entryTimeout(source))
        if views.count > 64 { views.removeAll(keepingCapacity: true) }
        views[number] = current
        return current
    }
}
