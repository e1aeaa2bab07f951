import Basics
import Glibc
import Store

/// A replica in a directory.
final class FileStorage: ReplicaStorage {
    let root: String
    /// Where files grow until they get their names. Nobody else's.
    private let temporary: String
    private var hasTemporary = false
    /// Files that are complete and have no name yet.
    private var pending: [(job: UploadJob, file: String)] = []
    private var pendingBytes: Int64 = 0
    private var directories: Set<String> = []
    private var counter = 0
    private var sent: Int64 = 0

    private static let batch = 1024
    private static let batchBytes: Int64 = 1 << 30

    /// - Parameter temporary: a name below `tmp/` that nobody else has.
    init(root: String, temporary: String) {
        self.root = root
        self.temporary = "tmp/\(temporary)"
    }

    private func full(_ path: String) -> String { "\(root)/\(path)" }

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
        let lock = try File(full("lock"), O_RDWR | O_CREAT)
        let descriptor = lock.descriptor
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else {
                throw IcecoreError.system("cannot lock", lock.path, errno: errno)
            }
            try Interruption.check()
            usleep(20_000)
        }
        guard try read(path, limit: ReplicaFormat.documentLimit)?.tag == tag else { return false }
        try write(path, bytes)
        return true
    }

    func reasonAgainstExchange(tryingAt path: String) throws -> String? { nil }

    func remove(_ paths: [String]) throws {
        var touched: Set<String> = []
        for path in paths {
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
        guard Files.exists(full(directory)) else { return }
        for name in try Files.names(in: full(directory)) {
            try Interruption.check()
            let path = "\(directory)/\(name)"
            if let size = Files.size(full(path)) {
                if path.hasPrefix(prefix) { try body(path, size) }
            } else {
                try list("\(path)/", body)
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
        try Files.createDirectories(directory)
    }

    private func newFile() throws -> String {
        if !hasTemporary {
            try Files.createDirectories(full(temporary))
            hasTemporary = true
        }
        counter += 1
        return full("\(temporary)/\(counter)")
    }

    /// Removes what this one, or an earlier one of the same name, has left.
    func removeTemporary(keepingParent: Bool = false) throws {
        hasTemporary = false
        try Files.removeAll(full(temporary))
        if !keepingParent { rmdir(full("tmp")) }
    }
}
