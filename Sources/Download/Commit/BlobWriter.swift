import Basics
import Blobs
import CLinux
import Glibc
import Index
import Model
import Store

/// The thread that commits contents in batches; ``BlobCommitter`` describes the order.
final class BlobWriter: @unchecked Sendable {
    // Once the writer's thread runs, everything below belongs to it.
    private let store: Store
    private let queue: WriterQueue
    private let records: BlobRecords
    /// Nil where contents come from a replica: its index has the facts.
    private let facts: FactKeeper?
    /// What comes is in an object store as well: the index knows all of it.
    private let isCache: Bool
    /// Nil where no content goes into a pack.
    private let packs: PackAppender?
    /// Where it says what is to go into a pack later; nil where nothing is.
    private let loose: LooseNotes?
    private let blobs: File
    /// The batch: contents that wait for their names, with the descriptor of the unnamed file, or -1.
    private var finished: [(blob: CheckedContent, file: Int32)] = []
    /// How many unnamed files may be open; 0 where the file system has none.
    private var mostUnnamed: Int
    private var bytes: Int64 = 0
    /// How many contents of the batch keep a partial blob open, and how many an unnamed file.
    private var open = 0
    private var unnamed = 0
    /// When the oldest thing came that is not durable yet, in milliseconds of the monotonic clock.
    private var began: UInt64?
    /// Names were given that are not durable yet, and these blobs are not counted yet.
    private var hasUndurableNames = false
    private var newBlobs = 0
    private var newBytes: Int64 = 0
    /// After an error in the middle of a commit nothing more is tried: the order of data, records and names would be lost.
    private var isCommitting = false
    private var naming = FileNaming()

    // What ends a batch: contents, open partial blobs, bytes, milliseconds.
    private static let mostBlobs = 1024
    private static let mostOpen = 8
    private static let mostBytes: Int64 = 256 << 20
    private static let longestWait: UInt64 = 2000

    init(
        _ store: Store, _ queue: WriterQueue, _ headers: HeaderDestination, keepsFacts: Bool, packs: PackAppender?,
        loose: LooseNotes?
    ) throws {
        self.store = store
        isCache = store.configuration.objectStore != nil
        self.packs = packs
        self.loose = loose
        facts = keepsFacts ? FactKeeper(store) : nil
        self.queue = queue
        records = try BlobRecords(store, headers: headers)
        blobs = try File(store.blobs.path, O_RDONLY | O_DIRECTORY)
        // An unnamed file is linked through /proc.
        mostUnnamed =
            access("/proc/self/fd", X_OK) == 0 ? min(BlobWriter.mostBlobs, limitOfOpenFiles() / 4) : 0
    }

    deinit {
        for (_, file) in finished where file >= 0 { close(file) }
    }

    /// Starts the thread. It ends when the queue is closed, or with the first error.
    func start() throws {
        try SystemThread.detach("blob-writer") { [self] in work() }
    }

    private func work() {
        do {
            while true {
                switch queue.receive(until: began.map { $0 + BlobWriter.longestWait }) {
                case .items(let items):
                    for item in items { try take(item) }
                    if let began, MonotonicClock.milliseconds() >= began + BlobWriter.longestWait { try settle() }
                case .nothingInTime: try settle()
                case .closed:
                    try end()
                    return queue.end(nil)
                }
            }
        } catch {
            // Keep what was complete before, say, the disk was full.
            if !isCommitting { try? end() }
            queue.end(error)
        }
    }

    private func take(_ item: WriterQueue.Item) throws {
        if began == nil { began = MonotonicClock.milliseconds() }
        switch item {
        case .failure(let want, let failure, let reason):
            if !isCache { try records.add(want, failure, reason: reason) }
        case .headers(let want, let headers, let isComplete):
            try records.add(headers, isComplete: isComplete, of: want)
        case .blob(let blob):
            if let packs, packs.hold(blob) {
                if blob.partial != nil { open += 1 }
                if packs.isWindowFull { try append() }
                if packs.isBatchFull || open >= BlobWriter.mostOpen { try flush() }
                return
            }
            var file: Int32 = -1
            if case .memory(let content) = blob.content {
                file = try write(content.bytes, of: blob)
                content.release()
            }
            finished.append((blob, file))
            bytes += blob.want.size
            if blob.partial != nil { open += 1 }
            if file >= 0 { unnamed += 1 }
            if finished.count >= BlobWriter.mostBlobs || open >= BlobWriter.mostOpen || bytes >= BlobWriter.mostBytes
                || (unnamed > 0 && unnamed >= mostUnnamed)
            {
                try flush()
            }
        }
    }

    /// Writes a content to an unnamed file in the directory where it will have its name: this changes directories once
    /// instead of three times, and spreads files over the disk as their directories are. Without support for that, writes
    /// the temporary file, and returns -1.
    private func write(_ bytes: UnsafeRawBufferPointer, of blob: CheckedContent) throws -> Int32 {
        if mostUnnamed > 0 {
            // Where it cannot be given a name, its content is read again.
            let flags = O_RDWR | O_CLOEXEC | icecore_o_tmpfile
            let file = openat(blobs.descriptor, String(Blobs.fan(blob.name)), flags, 0o444 as mode_t)
            if file >= 0 {
                var done = 0
                while done < bytes.count {
                    let count = Glibc.write(file, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else {
                        let number = errno
                        close(file)
                        throw IcecoreError.system("cannot write", blob.temporary, errno: number)
                    }
                    done += count
                }
                return file
            }
            // Not every file system can do it. A missing directory (ENOENT) is made when the content gets its name.
            if errno == EISDIR || FileNaming.isLack(errno) { mostUnnamed = 0 }
        }
        let file = try File(blob.temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o444)
        try file.write(bytes)
        try file.close()
        return -1
    }

    /// The time for a batch is up.
    private func settle() throws {
        if hasBatch {
            try flush()
        } else {
            try finish()
        }
    }

    private var hasBatch: Bool { !finished.isEmpty || packs?.isDurable == false }

    /// Makes everything durable, including names and records.
    private func finish() throws {
        try flush()
        try committing {
            if hasUndurableNames {
                try synchronize()
                try namesAreDurable()
            }
            try countPacked()
            try records.commit()
        }
        began = nil
    }

    /// The same, and makes the packs part of the store.
    private func end() throws {
        try finish()
        guard let packs else { return }
        try committing { queue.report(visible: try packs.end()) }
    }

    private func committing(_ body: () throws -> Void) rethrows {
        let wasCommitting = isCommitting
        isCommitting = true
        try body()
        isCommitting = wasCommitting
    }

    private func flush() throws {
        guard hasBatch else { return }
        try committing {
            // The names of the batch before become durable with the data of this one.
            if !finished.isEmpty {
                try synchronize()
                try namesAreDurable()
                try nameBatch()
            }
            try append()
            if let packs {
                try packs.synchronize()
                queue.report(visible: packs.isListingDue ? try packs.list() : [])
            }
        }
        open = 0
        // The names have to become durable in time as well, and what is in packs has to be counted.
        began = MonotonicClock.milliseconds()
    }

    private func nameBatch() throws {
        // The facts come before the name, so that a kill in between loses nothing.
        try record(finished.map(\.blob))
        for place in finished.indices {
            try name(finished[place].blob, finished[place].file)
            finished[place].file = -1
        }
        hasUndurableNames = true
        loose?.add(finished.lazy.map { ("\($0.blob.name)", $0.blob.want.size) })
        queue.report(visible: finished.map(\.blob.want.content))
        finished.removeAll(keepingCapacity: true)
        bytes = 0
        unnamed = 0
    }

    /// Appends what waits to a pack, where a process that starts after a kill finds it: so the facts come before that.
    private func append() throws {
        guard let packs, !packs.window.isEmpty else { return }
        try committing {
            try record(packs.window)
            try packs.append()
        }
    }

    /// Records, durably, what the index has to know of contents.
    private func record(_ contents: [CheckedContent]) throws {
        if isCache { return }
        var found: [BlobFact] = []
        for blob in contents {
            let (etag, size) = (blob.want.contentETag, blob.want.size)
            if let fact = BlobFact(etag: etag, size: size, parts: blob.parts, sha256: blob.sha256) {
                try records.add(etag: etag, size: size, parts: blob.parts, sha256: blob.sha256)
                found.append(fact)
            }
            if let received = blob.headers {
                try records.add(received.headers, isComplete: received.tagCount == 0, of: blob.want)
            }
        }
        try countPacked()
        try records.commit()
        try facts?.add(found)
    }

    /// Counts the contents of packs that have become durable.
    private func countPacked() throws {
        guard !isCache, let (blobs, bytes) = packs?.takeUncounted() else { return }
        try records.count(blobs: blobs, bytes: bytes)
    }

    /// Gives a content its name below `blobs/`.
    private func name(_ blob: CheckedContent, _ file: Int32) throws {
        defer { if file >= 0 { close(file) } }
        var file = file
        let path = "\(Blobs.fan(blob.name))/\(blob.name)"
        try blob.partial?.seal(below: store.blobs.path)
        var code = try move(blob, &file, to: path)
        if code == ENOENT {
            // A copied store may lack directories that were empty.
            try Files.createDirectory(Files.directory(of: store.blobs.path(ofName: blob.name)))
            code = try move(blob, &file, to: path, hasDirectory: true)
        }
        if code == EEXIST, Files.size(store.blobs.path(ofName: blob.name)) != blob.want.size {
            // Whatever this file is, it is not the content.
            try Files.rename(store.blobs.path(ofName: blob.name), "\(store.quarantinePath)/\(blob.name)")
            code = try move(blob, &file, to: path, hasDirectory: true)
        }
        if code == 0, !blob.want.wasPresent {
            newBlobs += 1
            newBytes += blob.want.size
        } else if code == 0 {
            // Its file had vanished.
        } else if code == EEXIST {
            // The content is there already, and a blob is never overwritten.
            if file < 0 { try Files.remove(blob.temporary) }
        } else if code == EXDEV {
            throw IcecoreError(
                .unsupported,
                "'\(store.temporaryPath)' and '\(store.blobs.path)' are on different file systems: a store has to be on one",
                errno: code)
        } else {
            throw IcecoreError.system("cannot create", store.blobs.path(ofName: blob.name), errno: code)
        }
        if let partial = blob.partial { try Files.remove(partial.logPath) }
    }

    /// Moves a content to a name below `blobs/` unless that is taken. Returns 0 or errno.
    ///
    /// - Parameters:
    ///   - file: the unnamed file; -1 afterwards if the content has got a temporary file.
    ///   - hasDirectory: the directory of the name is known to be there.
    private func move(
        _ blob: CheckedContent, _ file: inout Int32, to path: String, hasDirectory: Bool = false
    ) throws -> Int32 {
        if file >= 0 {
            let code = naming.name(unnamed: file, path, in: blobs)
            // Some file systems (overlays, NFS), and all without /proc, find no file that has no name: ENOENT.
            guard FileNaming.isLack(code) || (hasDirectory && code == ENOENT) else { return code }
            // It makes files without names, but gives them none later.
            mostUnnamed = 0
            let copy = try File(blob.temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o444)
            try BlobWriter.copy(file, blob.want.size, to: copy)
            try copy.synchronize()
            try copy.close()
            file = -1
        }
        return naming.move(blob.temporary, to: path, in: blobs)
    }

    private static func copy(_ source: Int32, _ size: Int64, to target: borrowing File) throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var offset: Int64 = 0
        while offset < size {
            let start = offset
            let count = try buffer.withUnsafeMutableBytes { bytes in
                try systemCall("cannot read", target.path) {
                    pread(source, bytes.baseAddress, bytes.count, off_t(start))
                }
            }
            if count == 0 { throw IcecoreError(.damaged, "a file without a name has lost its content") }
            try buffer.withUnsafeBytes { try target.write(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            offset += Int64(count)
        }
    }

    private func synchronize() throws {
        try Files.synchronizeFileSystem(blobs)
    }

    /// Counts the blobs whose names have become durable.
    private func namesAreDurable() throws {
        guard hasUndurableNames else { return }
        hasUndurableNames = false
        if !isCache { try records.count(blobs: newBlobs, bytes: newBytes) }
        newBlobs = 0
        newBytes = 0
        try records.commit()
    }
}
