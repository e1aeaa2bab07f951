import Basics
import Glibc
import Model

/// A content that arrives in pieces: a file in `tmp/` as large as the content, and a log of the bytes present.
/// Both outlive the process, so that the next one to need the content resumes where the last one stopped.
///
/// The log is append-only, and each line is written whole. A range noted with the machine's boot id counts until the
/// next boot, because a killed process loses nothing that it had written; a range noted with `-`, after its data were
/// made durable, counts for ever. `dropped` says that a prune has dropped the content while its owner was fetching it;
/// it counts until the next owner's first line.
///
/// The pair has one owner at a time, which holds a lock on the data file: nothing else may write to or name data that
/// the owner has checked.
public final class PartialBlob: @unchecked Sendable {
    // `present` belongs to the thread that writes; the descriptors and the paths never change.

    /// Where the bytes are.
    public let path: String
    public let size: Int64
    /// The files belong to this instance alone, and are removed with it.
    public let isPrivate: Bool
    /// There are no files: nothing of it is kept.
    public let isInMemory: Bool
    /// The bytes present.
    public private(set) var present = ByteRanges()
    private let data: File
    private let log: File
    private let bootID: String

    /// The prefix of such files' names in `tmp/`; a starting sync leaves them alone.
    public static let prefix = "partial-"
    static let logSuffix = ".log"
    private static let firstLine = "icecore-partial 1\n"
    private static let dropLine = "dropped\n"

    /// Opens a content that has partly arrived, or begins it.
    ///
    /// - Parameter directory: the store's `tmp/`.
    /// - Throws: `busy` while another owner holds it.
    public init(in directory: String, etag: ETag, size: Int64) throws {
        let path = PartialBlob.path(in: directory, etag: etag, size: size)
        self.path = path
        self.size = size
        (isPrivate, isInMemory) = (false, false)
        bootID = PartialBlob.readBootID()
        data = try PartialBlob.own(path)
        let isWhole = try data.size() == size
        if !isWhole, Files.exists(path + PartialBlob.logSuffix) {
            // A log without its data, or data of another length, is worthless.
            try Files.remove(path + PartialBlob.logSuffix)
        }
        try PartialBlob.clear(path + PartialBlob.logSuffix)
        log = try File(path + PartialBlob.logSuffix, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, mode: 0o600)
        if isWhole {
            try readLog()
        } else {
            try empty()
        }
        try append(PartialBlob.firstLine)
    }

    /// Begins a content that another owner is fetching, at a private path.
    public init(privateAt path: String, size: Int64) throws {
        self.path = path
        self.size = size
        (isPrivate, isInMemory) = (true, false)
        bootID = "-"
        data = try File(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
        log = try File(path + PartialBlob.logSuffix, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, mode: 0o600)
        try empty()
    }

    /// Begins a content that is read and not kept. It takes as much memory as there are bytes present; see ``forget(_:)``.
    public init(inMemory size: Int64) throws {
        data = try File.inMemory(size: size)
        path = data.path
        self.size = size
        (isPrivate, isInMemory) = (true, true)
        bootID = "-"
        log = try File("/dev/null", O_RDWR)
    }

    deinit {
        // Once it is named, nothing is left here.
        if isPrivate, !isInMemory {
            unlink(path)
            unlink(logPath)
        }
    }

    /// Opens the data file and locks it.
    private static func own(_ path: String) throws -> File {
        for _ in 0..<1000 {
            try clear(path)
            let file = try openData(path)
            guard try FileLock.exclusive.acquireNow(file) else {
                let holder = LockHolder.of(file).map { " by \($0)" } ?? ""
                throw IcecoreError(.busy, "'\(path)' is already being fetched\(holder)")
            }
            // The previous owner may have removed or named it since it was opened.
            var (mine, named) = (stat(), stat())
            if fstat(file.descriptor, &mine) == 0, lstat(path, &named) == 0, mine.st_ino == named.st_ino,
                mine.st_dev == named.st_dev, mine.st_nlink <= 1
            {
                // A file system without links may count none.
                return file
            }
            if mine.st_nlink > 1, mine.st_ino == named.st_ino {
                // A killed process left this second name of a finished blob.
                try Files.remove(path)
            }
        }
        throw IcecoreError(.busy, "others keep replacing '\(path)'")
    }

    private static func openData(_ path: String) throws(IcecoreError) -> File {
        do {
            return try File(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        } catch {
            // What another user of a shared store has begun is theirs.
            guard error.errno == EACCES, Files.exists(path) else { throw error }
            throw IcecoreError(.busy, "'\(path)' is being fetched by another user")
        }
    }

    /// Removes anything that is not a regular file: a directory, a symbolic link, a FIFO.
    private static func clear(_ path: String) throws {
        var status = stat()
        if lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG { try Files.removeAll(path) }
    }

    private func empty() throws {
        let descriptor = data.descriptor
        do {
            try systemCall("cannot write", path) { ftruncate(descriptor, 0) }
            try systemCall("cannot write", path) { ftruncate(descriptor, off_t(size)) }
        } catch {
            // There is nothing in it yet, and it may be too large for this disk for ever.
            unlink(path)
            unlink(logPath)
            throw error
        }
    }

    /// The path of a content while it arrives.
    public static func path(in directory: String, etag: ETag, size: Int64) -> String {
        // An ETag of an unusual form may contain anything, so its digest stands for it.
        let name =
            BlobName.file(etag: etag, size: size)
            ?? "\(Hex.encode(SHA256.digest(Array(etag.description.utf8))))-\(size)"
        return "\(directory)/\(prefix)\(name)"
    }

    /// The log's path; it is removed once the content is named.
    public var logPath: String { path + PartialBlob.logSuffix }
    public var isComplete: Bool { present.count == size }

    /// Writes bytes that have arrived. They count once noted.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws {
        guard offset >= 0, offset <= size, Int64(bytes.count) <= size - offset else {
            throw IcecoreError(.invalidData, "bytes past the end of '\(path)'")
        }
        try data.write(bytes, at: offset)
    }

    /// Reads bytes that have arrived. May be called from any thread.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws {
        try data.read(into: buffer, at: offset)
    }

    /// Has the kernel start writing some bytes to the disk, so that there is less to wait for at the end. May be called
    /// from any thread.
    public func beginWriting(_ range: Range<Int64>) {
        data.beginWriting(range)
    }

    /// Makes the data durable. May be called from any thread.
    public func synchronize() throws {
        try data.synchronize()
    }

    /// Notes that bytes were written: they survive a kill, but perhaps not a power cut.
    public func note(_ range: Range<Int64>) throws {
        guard !range.isEmpty else { return }
        try append("\(range.lowerBound) \(range.upperBound) \(bootID)\n")
        present.insert(contentsOf: range)
    }

    /// Makes data durable, then the record of it. May be called from any thread.
    ///
    /// - Parameter ranges: a copy of ``present``.
    public func makeDurable(_ ranges: ByteRanges) throws {
        try data.synchronize()
        var lines = ""
        for range in ranges.ranges { lines += "\(range.lowerBound) \(range.upperBound) -\n" }
        try append(lines)
        try log.synchronize()
    }

    /// Discards everything that has arrived.
    public func startOver() throws {
        let isDropped = PartialBlob.isDropped(logPath)
        let log = log.descriptor
        if !isInMemory { try systemCall("cannot write", logPath) { ftruncate(log, 0) } }
        try append(PartialBlob.firstLine + (isDropped ? PartialBlob.dropLine : ""))
        try empty()
        present = ByteRanges()
    }

    /// Gives back the memory of some bytes, which are no longer present then.
    public func forget(_ range: Range<Int64>) throws {
        try data.release(range)
        present.remove(contentsOf: range)
    }

    /// Makes the file read-only, for those who may read its directory, as blobs are. Call this last: an ordinary user
    /// could not resume it afterwards.
    public func seal(below directory: String) throws {
        let descriptor = data.descriptor
        var status = stat()
        try systemCall("cannot examine", directory) { stat(directory, &status) }
        let mode = 0o400 | status.st_mode & 0o044
        try systemCall("cannot change the mode of", path) {
            let result = fchmod(descriptor, mode)
            // Some file systems keep no modes (FAT), or those of the mount only (SMB, vboxsf).
            return result != 0 && [EPERM, ENOSYS, EOPNOTSUPP, EINVAL].contains(errno) ? 0 : result
        }
    }

    /// Removes the files.
    public func remove() throws {
        if isInMemory { return }
        try Files.remove(logPath)
        try Files.remove(path)
    }

    /// Its owner lets go of what has arrived: removes it if a prune has dropped the content meanwhile.
    public func letGo() throws {
        if !isPrivate, PartialBlob.isDropped(logPath) { try remove() }
    }

    /// Removes the partial files of a dropped content. An owner that holds them removes them in ``letGo()``; if it is
    /// killed before that, ``removeFinished(in:)`` does.
    package static func drop(_ path: String) throws {
        if isOwned(path) {
            let log = try File(path + logSuffix, O_WRONLY | O_APPEND | O_NOFOLLOW)
            var line = dropLine
            return try line.withUTF8 { try log.write(UnsafeRawBufferPointer($0)) }
        }
        try Files.remove(path + logSuffix)
        try Files.remove(path)
    }

    /// Removes what is no longer useful: second names of finished blobs that killed processes left, logs without data,
    /// data without a log, and what a prune has dropped. Files in use stay.
    public static func removeFinished(in directory: String) throws {
        let names = try Files.names(in: directory).filter { $0.hasPrefix(prefix) }
        for name in names {
            let path = "\(directory)/\(name)"
            try clear(path)
            if name.hasSuffix(logSuffix) {
                // The data file is created first and removed last.
                if !Files.exists(String(path.dropLast(logSuffix.count))) { try Files.remove(path) }
            } else if !names.contains(name + logSuffix) || isNamed(path) || isDropped(path + logSuffix), !isOwned(path)
            {
                try Files.remove(path)
                try Files.remove(path + logSuffix)
            }
        }
    }

    /// Removes what nobody is fetching now. All of it can be fetched again: this is for a disk without room.
    ///
    /// - Parameter isKept: of a data file's path: it stays.
    public static func removeIdle(in directory: String, except isKept: (String) -> Bool = { _ in false }) throws {
        for name in try Files.names(in: directory) where name.hasPrefix(prefix) && !name.hasSuffix(logSuffix) {
            let path = "\(directory)/\(name)"
            if isKept(path) { continue }
            guard let file = try? File(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else { continue }
            // The lock is held until the names are gone.
            guard try FileLock.exclusive.acquireNow(file) else { continue }
            try Files.remove(path + logSuffix)
            try Files.remove(path)
        }
    }

    /// Whether the content is already named as a blob, and this is a second name.
    private static func isNamed(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) != 0 || status.st_nlink > 1
    }

    /// Whether an owner holds the lock.
    private static func isOwned(_ path: String) -> Bool {
        guard let file = try? File(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else { return false }
        return (try? FileLock.exclusive.acquireNow(file)) == false
    }

    // MARK: - The log

    private func append(_ text: String) throws {
        var text = text
        try text.withUTF8 { try log.write(UnsafeRawBufferPointer($0)) }
    }

    /// Reads the log. Malformed lines, such as truncated ones, are ignored.
    private func readLog() throws {
        let isWhole = try PartialBlob.forEachLine(of: log) { line in
            if let range = range(line) { present.insert(contentsOf: range) }
        }
        // The next line must not be joined to a line without an end.
        if !isWhole { try append("\n") }
    }

    /// Whether a log says that the content was dropped; false if it cannot be read.
    private static func isDropped(_ path: String) -> Bool {
        var isDropped = false
        guard let log = try? File(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else { return false }
        _ = try? forEachLine(of: log) { line in
            if line + "\n" == dropLine { isDropped = true }
            if line + "\n" == firstLine { isDropped = false }
        }
        return isDropped
    }

    /// Passes the lines of a log to `body`, each without its end, and cut to 128 bytes; false if the last has no end.
    private static func forEachLine(of log: borrowing File, _ body: (String) -> Void) throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        var line: [UInt8] = []
        let length = try log.size()
        var offset: Int64 = 0
        while offset < length {
            let count = Int(min(Int64(buffer.count), length - offset))
            try buffer.withUnsafeMutableBytes {
                try log.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<count]), at: offset)
            }
            offset += Int64(count)
            for byte in buffer[..<count] {
                if byte != 0x0a {
                    if line.count < 128 { line.append(byte) }
                    continue
                }
                body(String(decoding: line, as: UTF8.self))
                line.removeAll(keepingCapacity: true)
            }
        }
        return line.isEmpty
    }

    private func range(_ line: String) -> Range<Int64>? {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, let from = Int64(words[0]), let to = Int64(words[1]), from >= 0, from < to, to <= size,
            words[2] == "-" || words[2] == bootID
        else { return nil }
        return from..<to
    }

    private static func readBootID() -> String {
        // Without a boot id, no later process trusts what this one noted.
        (try? BootID.read()) ?? "process-\(UInt64.random(in: 0 ... .max))"
    }
}
