import Basics
import Glibc

/// A replica in a directory.
final class FileStorage: ReplicaStorage {
    let root: String
    /// Where files grow until they get their names. Nobody else's.
    private let temporary: String
    /// Locked for as long as it is somebody's.
    private var temporaryDirectory: File?
    /// Files that are complete and have no name yet.
    private var pending: [(job: UploadJob, file: String?)] = []
    private var pendingBytes: Int64 = 0
    private var directories: Set<String> = []
    private var counter = 0
    private var sent: Int64 = 0

    /// What the names of directories for growing files begin with.
    static let prefix = "push-"
    private static let batch = 1024
    private static let batchBytes: Int64 = 1 << 30

    /// - Parameter temporary: a name below `tmp/` that nobody else has.
    init(root: String, temporary: String) {
        self.root = root
        self.temporary = "tmp/\(temporary)"
    }

    private func full(_ path: String) -> String { "\(root)/\(path)" }

    /// Refuses a path that leads through a link: what is written or removed there would be somebody else's.
    private func refuseLinks(_ path: String) throws {
        var end = path.startIndex
        while let slash = path[end...].firstIndex(of: "/") {
            let directory = full(String(path[..<slash]))
            var status = stat()
            if lstat(directory, &status) == 0, status.st_mode & S_IFMT != S_IFDIR {
                throw IcecoreError(.damaged, "'\(directory)' is a link, or no directory: the replica is not touched")
            }
            end = path.index(after: slash)
        }
    }

    func read(_ path: String, limit: Int) throws -> StoredBytes? {
        guard Files.exists(full(path)) else { return nil }
        let bytes = try Files.read(full(path), limit: limit)
        return StoredBytes(bytes: bytes, tag: Hex.encode(SHA256.digest(bytes)))
    }

    func write(_ path: String, _ bytes: [UInt8]) throws {
        try makeDirectory(of: path)
        let file = try newFile()
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
        try makeDirectory(of: path)
        let lock = try File(full("lock"), O_RDWR | O_CREAT | O_NOFOLLOW)
        try FileLock.exclusive.acquire(lock, pause: 20_000)
        guard try read(path, limit: ReplicaFormat.documentLimit)?.tag == tag else { return false }
        try write(path, bytes)
        return true
    }

    func reasonAgainstExchange(tryingAt path: String) throws -> String? { nil }

    func remove(_ paths: [String]) throws {
        var touched: Set<String> = []
        for path in paths {
            try refuseLinks(path)
            try Files.remove(full(path))
            touched.insert(Files.directory(of: full(path)))
        }
        for directory in touched where Files.exists(directory) {
            try Files.synchronizeDirectory(directory)
            // A snapshot's own directory goes with its last file.
            if directory.hasPrefix("\(root)/snapshots/") { rmdir(directory) }
        }
    }

    func list(_ prefix: String, _ body: (String, Int64) throws -> Void) throws {
        guard let slash = prefix.lastIndex(of: "/") else { return }
        let directory = String(prefix[..<slash])
        try refuseLinks("\(directory)/")
        guard Files.exists(full(directory)) else { return }
        for name in try Files.names(in: full(directory)) {
            try Interruption.check()
            let path = "\(directory)/\(name)"
            var status = stat()
            guard lstat(full(path), &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFREG: if path.hasPrefix(prefix) { try body(path, Int64(status.st_size)) }
            // What is behind a link is refused there.
            case S_IFDIR, S_IFLNK: try list("\(path)/", body)
            default: continue
            }
        }
    }

    func abortUpload(_ path: String, id: String?) throws {}

    // MARK: - Many files

    func upload(
        _ next: () throws -> UploadJob?, notes: UploadNotes, done: (UploadJob, UploadOutcome) throws -> Void,
        progress: @escaping (Int64) -> Void
    ) throws {
        while let job = try next() {
            try Interruption.check()
            if let damage = try add(job, progress) {
                try done(job, .damaged(damage))
            } else if pending.count >= FileStorage.batch || pendingBytes >= FileStorage.batchBytes {
                try settle(done)
            }
        }
        try settle(done)
    }

    /// Copies a content into a file of its own; why that is in vain, or nil.
    private func add(_ job: UploadJob, _ progress: (Int64) -> Void) throws -> String? {
        if job.mayBeThere, Files.size(full(job.path)) == job.size {
            // Whoever gave it its name may not have come to make that durable: it is, with the names that follow.
            pending.append((job, nil))
            return nil
        }
        let file = try newFile()
        switch job.content {
        case .bytes(let bytes):
            let target = try File(file, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444)
            try bytes.withUnsafeBytes { try target.write($0) }
            try target.close()
        case .blob(let source, let name, let partSize):
            do {
                try BlobCopy.copy(source, to: file, name, partSize: partSize) { count in
                    sent += Int64(count)
                    progress(sent)
                }
            } catch let damage as BlobCopy.Damage {
                unlink(file)
                return damage.reason
            } catch {
                unlink(file)
                throw error
            }
        }
        pending.append((job, file))
        pendingBytes += job.size
        return nil
    }

    /// Makes what is pending durable, gives it its names, and makes these durable.
    private func settle(_ done: (UploadJob, UploadOutcome) throws -> Void) throws {
        guard !pending.isEmpty else { return }
        let directory = try File(root, O_RDONLY | O_DIRECTORY)
        try Files.synchronizeFileSystem(directory)
        for (job, file) in pending {
            guard let file else { continue }
            try makeDirectory(of: job.path)
            try Files.rename(file, full(job.path))
        }
        try Files.synchronizeFileSystem(directory)
        let settled = pending
        pending = []
        pendingBytes = 0
        for (job, _) in settled { try done(job, .done) }
    }

    private func makeDirectory(of path: String) throws {
        let directory = Files.directory(of: full(path))
        guard directories.insert(directory).inserted else { return }
        try refuseLinks(path)
        try Files.createDirectories(directory)
    }

    private func newFile() throws -> String {
        if temporaryDirectory == nil {
            try removeAbandoned()
            try makeTemporary()
        }
        counter += 1
        return full("\(temporary)/\(counter)")
    }

    /// Until it is locked, another push may take it for abandoned.
    private func makeTemporary() throws {
        for _ in 0..<100 {
            try Files.createDirectories(full(temporary))
            if let directory = try? File(full(temporary), O_RDONLY | O_DIRECTORY),
                (try? FileLock.exclusive.acquireNow(directory)) == true, Files.exists(full(temporary))
            {
                temporaryDirectory = consume directory
                return
            }
            usleep(10_000)
        }
        throw IcecoreError(.busy, "'\(full(temporary))' is removed by others again and again")
    }

    /// Removes what pushes that were killed have left: nobody holds it any more.
    private func removeAbandoned() throws {
        guard Files.exists(full("tmp")) else { return }
        try refuseLinks("tmp/")
        for name in try Files.names(in: full("tmp")) where name.hasPrefix(FileStorage.prefix) {
            guard let directory = try? File(full("tmp/\(name)"), O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
                (try? FileLock.exclusive.acquireNow(directory)) == true
            else { continue }
            try Files.removeAll(full("tmp/\(name)"))
        }
    }

    /// Removes what this one, or an earlier one of the same name, has left.
    func removeTemporary() throws {
        temporaryDirectory = nil
        try Files.removeAll(full(temporary))
    }
}
