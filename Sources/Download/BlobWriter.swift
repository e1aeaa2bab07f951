import Basics
import CSystem
import Glibc
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
    private var finished: [BlobBatch.Finished] = []
    private var bytes: Int64 = 0
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
    private static let mostBytes: Int64 = 256 << 20
    private static let longestWait: UInt64 = 2000

    init(_ store: Store, _ queue: WriterQueue) throws {
        self.store = store
        self.queue = queue
        records = try BlobRecords(store)
        blobs = try File(store.blobs.path, O_RDONLY | O_DIRECTORY)
    }

    /// Starts the thread. It ends when the queue is closed, or with the first error.
    func start() throws {
        var thread = pthread_t()
        let writer = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<BlobWriter>.fromOpaque(argument).takeRetainedValue().work() }
                return nil
            }, writer.toOpaque())
        guard status == 0 else {
            writer.release()
            throw IcecoreError.system("cannot start a thread that writes to", store.path, errno: status)
        }
        pthread_detach(thread)
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
            if case .memory(let content) = blob.content {
                let file = try File(blob.temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o444)
                try file.write(content.bytes)
                try file.close()
                content.release()
            }
            finished.append(blob)
            bytes += blob.want.size
            if finished.count >= BlobWriter.mostBlobs || bytes >= BlobWriter.mostBytes { try flush() }
        }
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
        for blob in finished {
            if blob.partSize != nil || blob.sha256 != nil {
                try records.add(
                    etag: blob.want.etag, size: blob.want.size, partSize: blob.partSize, sha256: blob.sha256)
            }
            if let headers = blob.headers { try records.add(headers: headers, of: blob.want) }
        }
        try records.commit()
        for blob in finished { try name(blob) }
        hasUndurableNames = true
        queue.report(visible: finished.map(\.want.content))
        finished.removeAll(keepingCapacity: true)
        bytes = 0
        // The names are to be durable in time, too.
        began = MonotonicClock.milliseconds()
        isCommitting = false
    }

    /// Gives a content its name.
    private func name(_ blob: BlobBatch.Finished) throws {
        let path = "\(Blobs.fan(blob.name))/\(blob.name)"
        var code = move(blob.temporary, path)
        if code == ENOENT, !Files.exists(blob.temporary), blob.log != nil,
            Files.size(store.blobs.path(ofName: blob.name)) == blob.want.size
        {
            // A mount that has read the same content meanwhile has been faster.
            return
        }
        if code == ENOENT {
            // A copy of a store may lack directories that were empty.
            try Files.createDirectory(Files.directory(of: store.blobs.path(ofName: blob.name)))
            code = move(blob.temporary, path)
        }
        if code == EEXIST, Files.size(store.blobs.path(ofName: blob.name)) != blob.want.size {
            // Whatever it is, it is not this content.
            try Files.rename(store.blobs.path(ofName: blob.name), "\(store.quarantinePath)/\(blob.name)")
            code = move(blob.temporary, path)
        }
        if code == 0 {
            newBlobs += 1
            newBytes += blob.want.size
        } else if code == EEXIST {
            // What is there already is the same content: a blob is never written twice.
            try Files.remove(blob.temporary)
        } else {
            throw IcecoreError.system("cannot create", store.blobs.path(ofName: blob.name), errno: code)
        }
        if let log = blob.log { try Files.remove(log) }
    }

    /// Gives a file another name below `blobs/`, unless that name is taken: 0, or errno.
    private func move(_ old: String, _ path: String) -> Int32 {
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
