import Basics
import CFuse3
import Glibc
import Index
import Model
import Synchronization

/// A request of the kernel.
typealias Request = fuse_req_t

/// A view as it is in the state of the index that a thread reads.
struct CurrentView {
    var number: UInt32
    var source: ViewSource
    var view: View
    /// The modification time of its directories.
    var time: timespec
    /// How long names in it may be kept.
    var entryTimeout: Double
}

/// What one thread has of its own: a reader of the index that keeps its state between requests, buffers, open blobs.
///
/// Its lock is held while it serves a request; between requests the follower may let go of the reader's state.
final class Worker: @unchecked Sendable {
    let files: FileSystem
    let lock = Lock()
    let reception: Reception
    /// Its turn in the reception while it serves with the token; else 0.
    var turn = 0
    let reader: IndexReader
    let nodes: NodeLookup
    let scan: DirectoryScan
    var blobs: BlobFiles
    /// A blob to close once its request is answered; -1: none.
    var unneeded: Int32 = -1
    /// Page-aligned, for reads.
    let buffer: UnsafeMutableRawPointer
    /// For listings.
    let entries: UnsafeMutablePointer<CChar>
    /// Of names on their way to and from the index.
    var name: [UInt8] = []
    var probe: [UInt8] = []

    private var generation = 0
    private var views: [UInt32: CurrentView] = [:]

    init(_ files: FileSystem, _ reception: Reception) throws {
        self.files = files
        self.reception = reception
        reader = try files.store.reader()
        reader.readAround()
        nodes = try NodeLookup(reader)
        scan = try DirectoryScan(reader)
        blobs = BlobFiles(files.store.blobs)
        buffer = .allocate(byteCount: Session.largestRead, alignment: 4096)
        entries = .allocate(capacity: Session.largestRead)
        reader.end()
    }

    deinit {
        buffer.deallocate()
        entries.deallocate()
    }

    // MARK: The state that is read

    /// Runs a request on the newest state of the index that is known of.
    @inline(__always)
    func serve(_ request: Request, _ body: (Worker) throws -> Void) {
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
        try reader.begin()
        generation = newest
    }

    /// Does what need not be done before the answer.
    @inline(__always)
    func afterAnswer() {
        if unneeded < 0 { return }
        close(unneeded)
        unneeded = -1
    }

    /// Lets another thread take the next request: this one is going to wait.
    func willWait() {
        if turn != 0, reception.end(turn) { reception.pass() }
    }

    /// Lets go of the state, so that the write-ahead log can be checkpointed past it. The next request reads a new one.
    func rest() {
        lock.withLock {
            generation = 0
            scan.close()
            reader.end()
        }
    }

    /// The view of a number; nil if there is none (any more).
    func view(_ number: UInt32) throws -> CurrentView? {
        if let known = views[number] { return known }
        guard let source = files.views.source(number), let view = view(source) else { return nil }
        var time = timespec(view.time)
        if source.follows, source != .latest { time.tv_nsec = files.knowledge.load(ordering: .relaxed) % 1_000_000 }
        let current = CurrentView(
            number: number, source: source, view: view, time: time, entryTimeout: files.entryTimeout(source))
        if views.count > 64 { views.removeAll(keepingCapacity: true) }
        views[number] = current
        return current
    }

    private func view(_ source: ViewSource) -> View? {
        let timeline = reader.timeline
        switch source {
        case .instant(let time): return time < timeline.horizon ? nil : View(instant: time)
        case .latest, .versions: return timeline.newest.map { View(snapshot: $0, timeline: timeline) }
        case .snapshot(let id):
            return timeline.points.first { $0.id == id && !$0.isPruned }.map { View(snapshot: $0, timeline: timeline) }
        }
    }

    // MARK: Rows

    /// The record of a file's row; nil if the index has no such row. Its name in the index comes into `name`.
    func record(_ node: UInt64, directory: Int64, slot: Int64) throws -> RowRecord? {
        if let known = files.rows.find(node, name: &name) { return known }
        return try nodes.row(slot: slot, in: directory) { row -> RowRecord? in
            if row.isDirectory { return nil }
            let record = RowRecord(row, node: node)
            files.rows.insert(record, name: row.name)
            name.removeAll(keepingCapacity: true)
            name.append(contentsOf: row.name)
            return record
        } ?? nil
    }

    /// Gives the row of a file to `body`, with all its columns; nil if the index has no such row.
    func withRow<Result>(
        _ node: UInt64, directory: Int64, slot: Int64, _ body: (borrowing EntryRow) throws -> Result
    ) throws -> Result? {
        guard try record(node, directory: directory, slot: slot) != nil else { return nil }
        var result: Result?
        try name.withUnsafeBytes { bytes in
            try reader.rows(bytes, in: directory) { row in
                if row.slot == slot { result = try body(row) }
            }
        }
        return result
    }

    /// The object of the same name as a directory, where the view shows both: `.icecore-object`.
    func twin(of directory: Int64, _ view: View) throws -> RowRecord? {
        guard let above = try nodes.parent(of: directory, { ($0, Array($1.dropLast())) }) else { return nil }
        return try above.1.withUnsafeBytes { bytes -> RowRecord? in
            guard let row = try reader.find(bytes, in: above.0, view), DirectoryScan.isFile(row, in: above.0),
                let node = Node.row(above.0, row.slot)
            else { return nil }
            let record = RowRecord(row, node: node)
            files.rows.insert(record, name: row.name)
            return record
        }
    }

    /// The component that a name in a directory stands for, where the index has it if it is a long one.
    func component(_ meaning: Naming.Meaning, in directory: Int64, _ name: [UInt8], _ encode: ([UInt8]) -> [UInt8])
        throws -> [UInt8]?
    {
        switch meaning {
        case .component(let component): return component
        case .object: return nil
        case .long(let sha256):
            // The table may hold more than needs it.
            guard let component = try reader.longName(sha256: sha256, in: directory), encode(component) == name else {
                return nil
            }
            return component
        }
    }
}

extension timespec {
    init(_ time: Timestamp) {
        self.init(milliseconds: time.milliseconds)
    }

    @inline(__always)
    init(milliseconds: Int64) {
        let seconds = milliseconds >> 63 == 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000
        self.init(tv_sec: Int(seconds), tv_nsec: Int(milliseconds - seconds * 1000) * 1_000_000)
    }
}
