import CLinux
import Glibc

/// An open file descriptor that closes itself; every failure is an ``IcecoreError``.
public struct File: ~Copyable, Sendable {
    public let descriptor: Int32
    public let path: String
    private var isOpen = true

    /// Opens or creates a file, always close-on-exec.
    ///
    /// - Parameters:
    ///   - flags: the flags of open(2), such as `O_RDONLY` or `O_WRONLY | O_CREAT | O_EXCL`.
    ///   - mode: the permissions of a new file, before the umask. A group shares a store by its umask (002): this must not take
    ///     away what that gives.
    public init(_ path: String, _ flags: Int32, mode: mode_t = 0o666) throws(IcecoreError) {
        let action = flags & O_CREAT != 0 ? "cannot create" : "cannot open"
        descriptor = try systemCall(action, path) { open(path, flags | O_CLOEXEC, mode) }
        self.path = path
    }

    /// Opens a file to be read from its first byte to its last. Anything but a file, such as a FIFO, is `invalidData` and
    /// not waited for.
    ///
    /// - Parameter followsLinks: otherwise a symbolic link fails with ELOOP.
    public static func regular(_ path: String, followsLinks: Bool = true) throws(IcecoreError) -> File {
        let file = try File(path, O_RDONLY | O_NONBLOCK | (followsLinks ? 0 : O_NOFOLLOW))
        var status = stat()
        guard fstat(file.descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            if status.st_mode & S_IFMT == S_IFDIR { throw IcecoreError.system("cannot read", path, errno: EISDIR) }
            throw IcecoreError(.invalidData, "'\(path)' is no file")
        }
        return file
    }

    /// Takes over an open descriptor.
    public init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        if isOpen { Glibc.close(descriptor) }
    }

    /// Closes the file and reports a failure: a write error can surface as late as here.
    public consuming func close() throws(IcecoreError) {
        isOpen = false
        // Linux has released the descriptor even if close(2) returns EINTR.
        if Glibc.close(descriptor) != 0, errno != EINTR { throw .system("cannot close", path, errno: errno) }
    }

    /// Reads up to `buffer.count` bytes at the file position; returns 0 at the end.
    public borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(IcecoreError) -> Int {
        let descriptor = self.descriptor
        return try systemCall("cannot read", path) { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
    }

    /// Fills the buffer with the bytes from `offset`; a file that ends before that is `damaged`.
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

    /// Reads from `offset` what the page cache has, up to `buffer.count` bytes.
    ///
    /// - Returns: how many bytes; 0 where it has none.
    public static func readCached(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) -> Int {
        max(0, icecore_read_cached(descriptor, buffer.baseAddress, UInt(buffer.count), off_t(offset)))
    }

    /// Has the disk begin to read a range, without waiting for it.
    public borrowing func beginReading(_ range: Range<Int64>) {
        // A hint only.
        _ = posix_fadvise(descriptor, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_WILLNEED)
    }

    /// Makes the content durable (fdatasync).
    public borrowing func synchronize() throws(IcecoreError) {
        let descriptor = self.descriptor
        try systemCall("cannot make durable", path) { fdatasync(descriptor) }
    }

    /// Starts writing a range to the disk, without waiting for it.
    public borrowing func beginWriting(_ range: Range<Int64>) {
        // A hint only: synchronize() reports write errors.
        _ = sync_file_range(descriptor, Int(range.lowerBound), range.count, icecore_sync_file_range_write)
    }

    /// The size in bytes.
    public borrowing func size() throws(IcecoreError) -> Int64 {
        var status = stat()
        try systemCall("cannot examine", path) { fstat(descriptor, &status) }
        return Int64(status.st_size)
    }
}
