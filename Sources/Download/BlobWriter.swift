import Basics
import Blobs
import CSystem
import Glibc
import Index
import Store

/// Writes contents and makes them durable many at a time, on a thread of its own: the data first, then what the index has
/// to know of it, then the name.
///
/// One syncfs covers the data of a batch and the names of the batch before, so that no small file costs an fsync.
final class BlobWriter: @unchecked Sendable {
    // Only the writer's thread touches what is below, once it runs.
    private let store: Store
    private let queue: WriterQueue
    private let records: BlobRecords
    private let blobs: File
    /// What waits to be named; the descriptor of a file that has no name yet, else -1.
    private var finished: [(blob: BlobBatch.Finished, file: Int32)] = []
    /// How many such files may be open; 0 where they cannot be had.
    private var mostUnnamed: Int
    private var bytes: Int64 = 0
    /// How many of them keep files open.
    private var open = 0
    private var unnamed = 0
    /// When the first of what is not durable yet came, in milliseconds of the monotonic clock.
    private var began: UInt64?
    /// Names that were given but are not durable yet.
    private var hasUndurableNames = false
    private var newBlobs = 0
    private var newBytes: Int64 = 0
    /// The order of data, records and names would be in doubt if anything were tried after an error in between.
    private var isCommitting = false
    private var canRename = true

    /// So many contents, bytes or milliseconds make a batch.
    private static let mostBlobs = 1024
    private static let mostOpen = 8
    private static let mostBytes: Int64 = 256 << 20
    private static let longestWait: UInt64 = 2000

    init(_ store: Store, _ queue: WriterQueue) throws {
        self.store = store
        self.queue = queue
        records = try BlobRecords(store)
        blobs = try File(store.blobs.path, O_RDONLY | O_DIRECTORY)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        // A file without a name gets its first one through /proc.
        mostUnnamed =
            access("/proc/self/fd", X_OK) == 0 ? min(BlobWriter.mostBlobs, Int(clamping: limit.rlim_cur) / 4) : 0
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
                    try finish()
                    return queue.end(nil)
                }
            }
        } catch {
            // What was complete before a disk was full, say, stays.
            if !isCommitting { try? finish() }
            queue.end(error)
        }
    }

    private func take(_ item: WriterQueue.Item) throws {
        if began == nil { began = MonotonicClock.milliseconds() }
        switch item {
        case .failure(let want, let isGone, let reason):
            try records.add(want, isGone: isGone, reason: reason)
        case .blob(let blob):
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

    /// Writes a content to a file without a name in the directory where it will have one: one change of a directory instead
    /// of three, and files spread over the disk as their directories are. Else to its temporary file, and -1.
    private func write(_ bytes: UnsafeRawBufferPointer, of blob: BlobBatch.Finished) throws -> Int32 {
        if mostUnnamed > 0 {
            let flags = O_WRONLY | O_CLOEXEC | icecore_o_tmpfile
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
            // Some file systems have none. A directory that is missing is made when the content gets its name.
            if errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL { mostUnnamed = 0 }
        }
        let file = try File(blob.temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o444)
        try file.write(bytes)
        try file.close()
        return -1
    }

    /// Something has waited long enough.
    private func settle() throws {
        if !finished.isEmpty {
            try flush()
        } else {
            try finish()
        }
    }

    /// Makes everything durable, names and records too.
    private func finish() throws {
        try flush()
        isCommitting = true
        if hasUndurableNames {
            try synchronize()
            try namesAreDurable()
        }
        try records.commit()
        isCommitting = false
        began = nil
    }

    private func flush() throws {
        guard !finished.isEmpty else { return }
        isCommitting = true
        try synchronize()
        try namesAreDurable()
        // What belongs to a blob is known before the blob has its name: a kill in between must not lose it.
        for (blob, _) in finished {
            if blob.partSize != nil || blob.sha256 != nil {
                try records.add(
                    etag: blob.want.contentETag, size: blob.want.size, partSize: blob.partSize, sha256: blob.sha256)
            }
            if let headers = blob.headers { try records.add(headers: headers, of: blob.want) }
        }
        try records.commit()
        for place in finished.indices {
            try name(finished[place].blob, finished[place].file)
            finished[place].file = -1
        }
        hasUndurableNames = true
        queue.report(visible: finished.map(\.blob.want.content))
        finished.removeAll(keepingCapacity: true)
        bytes = 0
        open = 0
        unnamed = 0
        // The names are to be durable in time, too.
        began = MonotonicClock.milliseconds()
        isCommitting = false
    }

    /// Gives a content its name.
    private func name(_ blob: BlobBatch.Finished, _ file: Int32) throws {
        defer { if file >= 0 { close(file) } }
        let temporary = file >= 0 ? "/proc/self/fd/\(file)" : blob.temporary
        let path = "\(Blobs.fan(blob.name))/\(blob.name)"
        try blob.partial?.seal(below: store.blobs.path)
        var code = move(temporary, path, isUnnamed: file >= 0)
        if code == ENOENT {
            // A copy of a store may lack directories that were empty.
            try Files.createDirectory(Files.directory(of: store.blobs.path(ofName: blob.name)))
            code = move(temporary, path, isUnnamed: file >= 0)
        }
        if code == EEXIST, Files.size(store.blobs.path(ofName: blob.name)) != blob.want.size {
            // Whatever it is, it is not this content.
            try Files.rename(store.blobs.path(ofName: blob.name), "\(store.quarantinePath)/\(blob.name)")
            code = move(temporary, path, isUnnamed: file >= 0)
        }
        if code == 0 {
            newBlobs += 1
            newBytes += blob.want.size
        } else if code == EEXIST {
            // What is there already is the same content: a blob is never written twice.
            if file < 0 { try Files.remove(blob.temporary) }
        } else {
            throw IcecoreError.system("cannot create", store.blobs.path(ofName: blob.name), errno: code)
        }
        if let partial = blob.partial { try Files.remove(partial.logPath) }
    }

    /// Gives a file another name below `blobs/`, unless that name is taken: 0, or errno.
    private func move(_ old: String, _ path: String, isUnnamed: Bool) -> Int32 {
        if isUnnamed {
            return linkat(AT_FDCWD, old, blobs.descriptor, path, Int32(AT_SYMLINK_FOLLOW)) == 0 ? 0 : errno
        }
        if canRename {
            if renameat2(AT_FDCWD, old, blobs.descriptor, path, 1) == 0 { return 0 }  // RENAME_NOREPLACE
            guard errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP else { return errno }
            // Some file systems cannot do it in one step.
            canRename = false
        }
        if linkat(AT_FDCWD, old, blobs.descriptor, path, 0) != 0 { return errno }
        return unlink(old) == 0 || errno == ENOENT ? 0 : errno
    }

    private func synchronize() throws {
        try Files.synchronizeFileSystem(blobs)
    }

    /// The names that were given are durable now.
    private func namesAreDurable() throws {
        guard hasUndurableNames else { return }
        hasUndurableNames = false
        try records.count(blobs: newBlobs, bytes: newBytes)
        newBlobs = 0
        newBytes = 0
        try records.commit()
    }
}
