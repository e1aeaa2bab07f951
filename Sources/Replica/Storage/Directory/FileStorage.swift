import Basics
import Glibc
import Upload

/// A replica in a directory.
final class FileStorage: ReplicaStorage {
    private let directory: ReplicaDirectory
    private let staging: StagingDirectory
    /// Files that are complete and have no name yet; no file: it is already there under its name.
    private var pending: [(job: UploadJob, file: String?)] = []
    private var pendingBytes: Int64 = 0
    /// Parent directories that exist and were checked for links.
    private var parents: Set<String> = []
    private var sent: Int64 = 0
    private let throttle: Throttle?

    private static let batch = 1024
    private static let batchBytes: Int64 = 1 << 30

    /// - Parameters:
    ///   - staging: a name below `tmp/` that no other process uses.
    ///   - limitRate: bytes a second of contents; nil: as many as there can be.
    init(root: String, staging: String, limitRate: Int64? = nil) {
        throttle = limitRate.map { Throttle(bytesPerSecond: $0) }
        directory = ReplicaDirectory(root: root)
        self.staging = StagingDirectory(directory, staging)
    }

    private func full(_ path: String) -> String { directory.full(path) }

    func read(_ path: String, limit: Int) throws -> StoredBytes? {
        guard Files.exists(full(path)) else { return nil }
        let bytes = try Files.read(full(path), limit: limit)
        return StoredBytes(bytes: bytes, tag: Hex.encode(SHA256.digest(bytes)))
    }

    func write(_ path: String, _ bytes: [UInt8]) throws {
        try makeParent(of: path)
        let file = try staging.newFile()
        try FileStorage.write(bytes, to: file)
        try Files.rename(file, full(path))
        try Files.synchronizeDirectory(Files.directory(of: full(path)))
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try File(path, O_WRONLY | O_CREAT | O_EXCL)
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.synchronize()
        try file.close()
    }

    func exchange(_ path: String, _ bytes: [UInt8], expecting tag: String?) throws -> Bool {
        try makeParent(of: path)
        let lock = try File(full("lock"), O_RDWR | O_CREAT | O_NOFOLLOW)
        try FileLock.exclusive.acquire(lock, to: "change '\(full(path))'", pause: 20_000)
        guard try read(path, limit: ReplicaFormat.documentLimit)?.tag == tag else { return false }
        try write(path, bytes)
        return true
    }

    func replace(_ path: String, _ bytes: [UInt8], expecting tag: String?) throws -> String? {
        guard try exchange(path, bytes, expecting: tag) else { return nil }
        return try read(path, limit: ReplicaFormat.documentLimit)?.tag
    }

    func reasonAgainstExchange(tryingAt path: String) throws -> String? { nil }

    func remove(_ paths: [String]) throws {
        var touched: Set<String> = []
        for path in paths {
            try directory.refuseLinks(path)
            try Files.remove(full(path))
            touched.insert(Files.directory(of: full(path)))
        }
        for parent in touched where Files.exists(parent) {
            try Files.synchronizeDirectory(parent)
            // A snapshot's own directory goes with its last file.
            if parent.hasPrefix(full("snapshots/")) { rmdir(parent) }
            if parent.hasPrefix(full("inventories/")) {
                for directory in [parent, Files.directory(of: parent)] { rmdir(directory) }
            }
        }
    }

    func list(_ prefix: String, _ body: (String, Int64) throws -> Void) throws {
        guard let slash = prefix.lastIndex(of: "/") else { return }
        let parent = String(prefix[..<slash])
        try directory.refuseLinks("\(parent)/")
        guard Files.exists(full(parent)) else { return }
        for name in try Files.names(in: full(parent)) {
            try Interruption.check()
            let path = "\(parent)/\(name)"
            var status = stat()
            guard lstat(full(path), &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFREG: if path.hasPrefix(prefix) { try body(path, Int64(status.st_size)) }
            // The recursive call refuses a link.
            case S_IFDIR, S_IFLNK: try list("\(path)/", body)
            default: continue
            }
        }
    }

    func abortUpload(_ path: String, id: String?) throws {}

    // MARK: - Many files

    func upload(
        _ next: () throws -> UploadJob?, journal: UploadJournal, done: (UploadJob, UploadOutcome) throws -> Void,
        progress: @escaping (Int64) -> Void
    ) throws {
        while let job = try next() {
            try Interruption.check()
            if let damage = try stage(job, progress) {
                try done(job, .damaged(damage))
            } else if pending.count >= FileStorage.batch || pendingBytes >= FileStorage.batchBytes {
                try nameStaged(done)
            }
        }
        try nameStaged(done)
    }

    /// Copies a content into a staged file.
    ///
    /// - Returns: nil, or why the store's file cannot be used.
    private func stage(_ job: UploadJob, _ progress: (Int64) -> Void) throws -> String? {
        if try job.mayExist && isThere(job) {
            // The process that named it may have died before the name was durable: this batch makes it so.
            pending.append((job, nil))
            return nil
        }
        let file = try staging.newFile()
        switch job.payload {
        case .bytes(let bytes):
            let target = try File(file, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444)
            try bytes.withUnsafeBytes { try target.write($0) }
            try target.close()
        case .blob(let source, let name, let parts):
            do {
                try BlobCopy.copy(source, to: file, name, parts: parts) { count in
                    sent += Int64(count)
                    progress(sent)
                    try throttle?.pass(count)
                }
            } catch let damage as BlobCopy.Damage {
                unlink(file)
                return damage.reason
            } catch {
                unlink(file)
                throw error
            }
        }
        var job = job
        job.mayExist = false
        pending.append((job, file))
        pendingBytes += job.size
        return nil
    }

    /// Whether a content is at its path already. Of packs, all is read: so many contents depend on it.
    private func isThere(_ job: UploadJob) throws -> Bool {
        guard Files.size(full(job.path)) == job.size else { return false }
        guard job.item?.pack != nil, case .blob(_, let name, let parts) = job.payload else { return true }
        return try BlobCopy.problem(.file(full(job.path)), name, parts: parts) == nil
    }

    /// Makes the pending files durable, gives them their names, and makes the names durable.
    private func nameStaged(_ done: (UploadJob, UploadOutcome) throws -> Void) throws {
        guard !pending.isEmpty else { return }
        let root = try File(directory.root, O_RDONLY | O_DIRECTORY)
        try Files.synchronizeFileSystem(root)
        for (job, file) in pending {
            guard let file else { continue }
            try makeParent(of: job.path)
            try Files.rename(file, full(job.path))
        }
        try Files.synchronizeFileSystem(root)
        let named = pending
        pending = []
        pendingBytes = 0
        for (job, _) in named { try done(job, .done(MadeObject())) }
    }

    private func makeParent(of path: String) throws {
        let parent = Files.directory(of: full(path))
        guard parents.insert(parent).inserted else { return }
        try directory.refuseLinks(path)
        try Files.createDirectories(parent)
    }

    /// Removes the files that never got a name.
    func removeStaging() throws {
        try staging.remove()
    }
}
