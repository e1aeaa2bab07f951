import Basics
import Blobs
import CFuse3
import Glibc
import Index
import Model
import Packs

/// Gives the kernel small files before they are asked for, where a directory of a packed store is read in the order of its
/// keys: for each of them, one message takes the place of a request and its answer.
///
/// The kernel takes contents only of files that it knows: those that were listed with their attributes, or looked up. It may
/// hold a message up until somebody's READ of the same file is answered, so the feeder has a thread of its own, which answers
/// nothing.
final class NeighbourFeeder: @unchecked Sendable {
    /// Larger contents are left to READ.
    static let largest: Int64 = 64 << 10
    /// The most files, and about the most bytes, that are given at a time.
    private static let mostFiles = 1024
    private static let mostBytes: Int64 = 4 << 20

    /// A directory that somebody reads in order.
    private struct OrderedReading {
        var directory: Int64
        /// How many files in a row were neighbours in their pack.
        var run = 0
        /// How long a run has to be for the feeder to try.
        var patience = 4
        /// How many files were given the last time.
        var window = 16
        /// The name in the index of the last file that was given, or read.
        var end: [UInt8]
        /// In the middle of what was given, a file that was left out: its READ says that it is time for more.
        var marker: UInt64 = 0
        var isFeeding = false
    }

    private let files: FileSystem
    private let session: OpaquePointer
    private let changed = Condition()
    // Guarded by the condition's lock; the reading used last comes last.
    private var readings: [OrderedReading] = []
    private var job: (directory: Int64, name: [UInt8], near: PackedBlob, window: Int)?
    private var isStopping = false
    private static let mostReadings = 8
    // The thread's own.
    private let buffer = UnsafeMutableRawPointer.allocate(byteCount: Int(largest), alignment: 4096)
    private var reader: IndexReader?
    private var opening = -1

    init(_ files: FileSystem, _ session: OpaquePointer) {
        self.files = files
        self.session = session
    }

    deinit {
        buffer.deallocate()
    }

    // MARK: What is read

    /// A file was read whole, out of a pack.
    ///
    /// - Parameters:
    ///   - name: of its row in the index.
    ///   - isNext: its record lies behind the one that was read before.
    func didRead(_ node: UInt64, directory: Int64, name: [UInt8], _ packed: PackedBlob, isNext: Bool) {
        changed.withLock {
            guard var reading = takeReading(directory, name, isNext) else { return }
            if node == reading.marker {
                reading.marker = 0
                reading.window = min(2 * reading.window, NeighbourFeeder.mostFiles)
                begin(&reading, after: reading.end, near: packed)
            } else if isNext {
                reading.run += 1
                if reading.run >= reading.patience { begin(&reading, after: name, near: packed) }
            } else {
                reading.run = 0
            }
            readings.append(reading)
        }
    }

    /// Takes the reading of a directory out of the list; a new one where none is there yet.
    private func takeReading(_ directory: Int64, _ name: [UInt8], _ isNext: Bool) -> OrderedReading? {
        if let place = readings.lastIndex(where: { $0.directory == directory }) { return readings.remove(at: place) }
        guard isNext else { return nil }
        if readings.count >= NeighbourFeeder.mostReadings { readings.removeFirst() }
        return OrderedReading(directory: directory, end: name)
    }

    private func begin(_ reading: inout OrderedReading, after name: [UInt8], near packed: PackedBlob) {
        reading.run = 0
        guard !reading.isFeeding, job == nil else { return }
        reading.isFeeding = true
        job = (reading.directory, name, packed, reading.window)
        changed.broadcast()
    }

    // MARK: The thread

    func run() {
        while let job = next() {
            var given: (count: Int, end: [UInt8], marker: UInt64) = (0, job.name, 0)
            do {
                given = try feed(job.directory, after: job.name, near: job.near, job.window)
            } catch {
                files.log.write("cannot read ahead: \(error)")
            }
            reader?.end()
            changed.withLock {
                guard let place = readings.lastIndex(where: { $0.directory == job.directory }) else { return }
                readings[place].isFeeding = false
                readings[place].end = given.end
                readings[place].marker = given.marker
                if given.count == 0 {
                    // Nobody has listed it with attributes, or its contents lie elsewhere.
                    readings[place].patience = min(2 * readings[place].patience, 256)
                    readings[place].window = 16
                } else {
                    readings[place].patience = 4
                }
            }
        }
    }

    private func next() -> (directory: Int64, name: [UInt8], near: PackedBlob, window: Int)? {
        changed.withLock {
            while job == nil, !isStopping { changed.wait() }
            defer { job = nil }
            return isStopping ? nil : job
        }
    }

    func stop() {
        changed.withLock {
            isStopping = true
            changed.broadcast()
        }
    }

    /// Gives the files behind a name in a directory to the kernel.
    ///
    /// - Returns: how many it took, the name of the last one, and the one in the middle that was left out.
    private func feed(
        _ directory: Int64, after name: [UInt8], near: PackedBlob, _ window: Int
    ) throws -> (count: Int, end: [UInt8], marker: UInt64) {
        var given: (count: Int, end: [UInt8], marker: UInt64) = (0, name, 0)
        let reader = try currentReader()
        let cursor = try reader.cursor()
        defer { cursor.close() }
        let view = try shownView(reader)
        let ahead = min(NeighbourFeeder.mostBytes, Int64(window) * near.record.length)
        _ = posix_fadvise(near.pack.descriptor, off_t(near.record.end), off_t(ahead), POSIX_FADV_WILLNEED)
        var last = near
        var refused = 0
        var bytes: Int64 = 0
        // Nothing is between a name and the same name followed by NUL.
        cursor.seek(directory: directory, from: name + [0])
        while given.count < window, bytes < NeighbourFeeder.mostBytes, refused < 16, try cursor.next() {
            let row = cursor.row
            guard !row.isDirectory, row.size > 0, row.size <= NeighbourFeeder.largest else { continue }
            if let view, !view.shows(row, reader.timeline) { continue }
            guard let node = Node.objectId(directory, row.slot), let etag = RowRecord(row, node: node).etag,
                let packed = try files.store.blobs.packs.find(.etag(etag, size: row.size), near: last)
            else {
                refused += 1
                continue
            }
            last = packed
            given.end.removeAll(keepingCapacity: true)
            given.end.append(contentsOf: row.name)
            if given.count >= window / 2, given.marker == 0 {
                given.marker = node
                continue
            }
            switch try give(node, packed) {
            case 0:
                given.count += 1
                bytes += packed.size
                refused = 0
            case -ENOENT: refused += 1
            default: return given
            }
        }
        return given
    }

    private func currentReader() throws -> IndexReader {
        let newest = files.openings.load(ordering: .acquiring)
        if let reader, opening == newest {
            try reader.begin()
            return reader
        }
        let opened = try files.store.reader()
        opened.readAround()
        (reader, opening) = (opened, newest)
        return opened
    }

    /// The view of a mount that shows one; with a history the kernel knows which files were listed.
    private func shownView(_ reader: IndexReader) throws -> View? {
        files.hasHistory ? nil : files.views.source(ViewTable.own)?.view(in: reader.timeline)
    }

    /// Gives a content to the kernel.
    ///
    /// - Returns: 0, or the negative number of an error: `-ENOENT` if it does not know the file.
    private func give(_ node: UInt64, _ packed: PackedBlob) throws -> Int32 {
        let size = Int(packed.size)
        try packed.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: size), at: 0)
        var vector = fuse_bufvec()
        vector.count = 1
        vector.buf.size = size
        vector.buf.mem = buffer
        return fuse_lowlevel_notify_store(session, node, 0, &vector, fuse_buf_copy_flags(rawValue: 0))
    }
}
