import CSystem
import Glibc

/// An open file descriptor that closes itself; every failure is an ``IcecoreError``.
public struct File: ~Copyable, Sendable {
    public let descriptor: Int32
    public let path: String
    private var isOpen = true

    /// Opens (or creates) a file; always close-on-exec.
    ///
    /// - Parameters:
    ///   - flags: the flags of open(2), such as `O_RDONLY` or `O_WRONLY | O_CREAT | O_EXCL`.
    ///   - mode: the permissions of a file that is created; the umask applies.
    public init(_ path: String, _ flags: Int32, mode: mode_t = 0o644) throws(IcecoreError) {
        let action = flags & O_CREAT != 0 ? "cannot create" : "cannot open"
        descriptor = try systemCall(action, path) { open(path, flags | O_CLOEXEC, mode) }
        self.path = path
    }

    deinit {
        if isOpen { Glibc.close(descriptor) }
    }

    /// Closes the file, and says so when that fails: a write error can come as late as here.
    public consuming func close() throws(IcecoreError) {
        isOpen = false
        // Linux has released the descriptor even when close(2) says EINTR.
        if Glibc.close(descriptor) != 0, errno != EINTR { throw .system("cannot close", path, errno: errno) }
    }

    /// Reads up to `buffer.count` bytes at the file position; 0 at the end.
    public borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(IcecoreError) -> Int {
        let descriptor = self.descriptor
        return try systemCall("cannot read", path) { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
    }

    /// Fills the buffer from `offset` on; an end before that is `damaged`.
    public borrowing func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(IcecoreError) {
        let descriptor = self.descriptor
        var done = 0
        while done < buffer.count {
            let start = done
            let count = try systemCall("cannot read", path) {
                pread(descriptor, buffer.baseAddress.map { $0 + start }, buffer.count - start, off_t(offset) + start)
            }
            if count == 0 { throw IcecoreError(.damaged, "'\(path)' ends too early") }
            done += count
        }
    }

    /// A file without a name, which goes when it is closed or the process ends, in whatever way.
    public static func unnamed(in directory: String) throws(IcecoreError) -> File {
        let flags = O_RDWR | 0o20_000_000 | O_DIRECTORY  // O_TMPFILE, which Glibc's macro hides from Swift
        if let file = try? File(directory, flags, mode: 0o600) { return file }
        // A file system without O_TMPFILE: a name for a moment.
        let path = "\(directory)/\(getpid())-\(UInt64.random(in: 0 ... .max)).unnamed"
        let file = try File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        try Files.remove(path)
        return file
    }

    /// Writes all bytes at the file position.
    public borrowing func write(_ bytes: UnsafeRawBufferPointer) throws(IcecoreError) {
        let descriptor = self.descriptor
        var rest = bytes
        while !rest.isEmpty {
            let current = rest
            let count: Int = try systemCall("cannot write", path) {
                Glibc.write(descriptor, current.baseAddress, current.count)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// Writes all bytes at `offset`.
    public borrowing func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(IcecoreError) {
        let descriptor = self.descriptor
        var rest = bytes
        var position = offset
        while !rest.isEmpty {
            let current = rest
            let count: Int = try systemCall("cannot write", path) {
                pwrite(descriptor, current.baseAddress, current.count, off_t(position))
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            position += Int64(count)
        }
    }

    /// Makes the content durable (fdatasync).
    public borrowing func synchronize() throws(IcecoreError) {
        let descriptor = self.descriptor
        try systemCall("cannot make durable", path) { fdatasync(descriptor) }
    }

    /// Has the kernel begin to write some bytes to the disk, without waiting for it.
    public borrowing func beginWriting(_ range: Range<Int64>) {
        // SYNC_FILE_RANGE_WRITE. It is a hint: what cannot be written is said by synchronize().
        _ = sync_file_range(descriptor, Int(range.lowerBound), range.count, 2)
    }

    /// The size in bytes.
    public borrowing func size() throws(IcecoreError) -> Int64 {
        var status = stat()
        try systemCall("cannot examine", path) { fstat(descriptor, &status) }
        return Int64(status.st_size)
    }
}

/// Operations on paths. All of them follow the rule "data, then name, then record": what they name is durable.
public enum Files {
    /// Whether something exists at the path (without following a symbolic link at its end).
    public static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// The size of a regular file; nil where there is none.
    public static func size(_ path: String) -> Int64? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int64(status.st_size)
    }

    /// Creates a directory; one that exists already is fine.
    public static func createDirectory(_ path: String, mode: mode_t = 0o755) throws(IcecoreError) {
        if mkdir(path, mode) != 0, errno != EEXIST { throw .system("cannot create directory", path, errno: errno) }
    }

    /// Creates a directory and those above it.
    public static func createDirectories(_ path: String, mode: mode_t = 0o755) throws(IcecoreError) {
        var end = path.startIndex
        while let slash = path[end...].dropFirst().firstIndex(of: "/") {
            try createDirectory(String(path[..<slash]), mode: mode)
            end = slash
        }
        try createDirectory(path, mode: mode)
    }

    /// Makes the names in a directory durable (fsync of the directory).
    public static func synchronizeDirectory(_ path: String) throws(IcecoreError) {
        let directory = try File(path, O_RDONLY | O_DIRECTORY)
        let descriptor = directory.descriptor
        try systemCall("cannot make durable", path) { fsync(descriptor) }
    }

    /// Makes everything on a directory's file system durable: contents, names, all at once.
    public static func synchronizeFileSystem(_ directory: borrowing File) throws(IcecoreError) {
        let descriptor = directory.descriptor
        try systemCall("cannot make durable", directory.path) { syncfs(descriptor) }
    }

    /// How many bytes a process without privileges may still write to the file system of a path.
    public static func freeBytes(_ path: String) throws(IcecoreError) -> Int64 {
        var status = statvfs()
        try systemCall("cannot examine", path) { statvfs(path, &status) }
        let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return overflow ? .max : Int64(clamping: bytes)
    }

    /// Renames; an existing file at the new path is replaced.
    public static func rename(_ old: String, _ new: String) throws(IcecoreError) {
        try systemCall("cannot rename '\(old)' to", new) { Glibc.rename(old, new) }
    }

    /// Removes a file; one that is gone already is fine.
    public static func remove(_ path: String) throws(IcecoreError) {
        if unlink(path) != 0, errno != ENOENT { throw .system("cannot remove", path, errno: errno) }
    }

    /// Replaces a small file as a whole: after a crash there is the old content or the new, durable, never a mixture.
    public static func replace(_ path: String, with bytes: [UInt8], mode: mode_t = 0o644) throws {
        let temporary = "\(path).\(getpid()).new"
        do {
            let file = try File(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: mode)
            try bytes.withUnsafeBytes { try file.write($0) }
            try file.synchronize()
            try file.close()
            try rename(temporary, path)
        } catch {
            unlink(temporary)
            throw error
        }
        try synchronizeDirectory(directory(of: path))
    }

    /// The content of a small file. Anything but a file, such as a FIFO, is `invalidData` and not waited for.
    ///
    /// - Parameter limit: the most bytes to accept; a larger file is `invalidData`, so that nothing hostile fills memory.
    public static func read(_ path: String, limit: Int) throws -> [UInt8] {
        let file = try File(path, O_RDONLY | O_NONBLOCK)
        var status = stat()
        guard fstat(file.descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            if status.st_mode & S_IFMT == S_IFDIR { throw IcecoreError.system("cannot read", path, errno: EISDIR) }
            throw IcecoreError(.invalidData, "'\(path)' is no file")
        }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return content }
            if content.count + count > limit {
                throw IcecoreError(.invalidData, "'\(path)' is larger than \(limit) bytes, which is not plausible")
            }
            content.append(contentsOf: buffer[..<count])
        }
    }

    /// Removes a file, or a directory with everything in it; one that is gone already is fine.
    public static func removeAll(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
        for name in try names(in: path) { try removeAll("\(path)/\(name)") }
        if rmdir(path) != 0, errno != ENOENT { throw IcecoreError.system("cannot remove", path, errno: errno) }
    }

    /// The names in a directory, without `.` and `..`, sorted by bytes. For directories of bounded size only.
    public static func names(in path: String) throws(IcecoreError) -> [String] {
        guard let directory = opendir(path) else { throw .system("cannot list", path, errno: errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        // A list that ended early is none.
        if errno != 0 { throw .system("cannot list", path, errno: errno) }
        return names.sorted()
    }

    /// What is before the last `/`: "." for a bare name, "/" for a name in the root.
    public static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The path without links, as far as it exists.
    public static func resolved(_ path: String) -> String {
        let path = absolute(path)
        if let real = realpath(path, nil) {
            defer { free(real) }
            return String(cString: real)
        }
        guard path.count > 1, let slash = path.lastIndex(of: "/") else { return path }
        let parent = resolved(slash == path.startIndex ? "/" : String(path[..<slash]))
        return (parent == "/" ? "" : parent) + path[slash...]
    }

    /// The path made absolute by the current directory (nothing else about it changes).
    public static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let current = getcwd(nil, 0) else { return path }
        defer { free(current) }
        let base = String(cString: current)
        return base == "/" ? "/\(path)" : "\(base)/\(path)"
    }
}
