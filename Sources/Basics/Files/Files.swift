import CLinux
import Glibc

/// Operations on paths, after the rule "data, then name, then record": what they give a name to is durable already.
public enum Files {
    /// Whether anything exists at the path; a final symbolic link is not followed.
    public static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// ``exists(_:)``, for those who must not mistake what they may not look at for what is not there.
    public static func isThere(_ path: String) throws(IcecoreError) -> Bool {
        var status = stat()
        if lstat(path, &status) == 0 { return true }
        if errno == ENOENT || errno == ENOTDIR { return false }
        throw .system("cannot examine", path, errno: errno)
    }

    /// The size of a regular file; nil where there is none.
    public static func size(_ path: String) -> Int64? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int64(status.st_size)
    }

    /// Whether a path leads to a regular file, through symbolic links as well.
    public static func isRegular(_ path: String) -> Bool {
        length(path) != nil
    }

    /// The size of the regular file that a path leads to, through symbolic links as well; nil where there is none.
    public static func length(_ path: String) -> Int64? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int64(status.st_size)
    }

    /// Creates a directory unless it exists.
    public static func createDirectory(_ path: String, mode: mode_t = 0o777) throws(IcecoreError) {
        if mkdir(path, mode) != 0, errno != EEXIST { throw .system("cannot create directory", path, errno: errno) }
    }

    /// Creates a directory and its missing parents.
    public static func createDirectories(_ path: String, mode: mode_t = 0o777) throws(IcecoreError) {
        var end = path.startIndex
        while let slash = path.utf8[end...].dropFirst().firstIndex(of: UInt8(ascii: "/")) {
            try createDirectory(String(path[..<slash]), mode: mode)
            end = slash
        }
        try createDirectory(path, mode: mode)
    }

    /// Makes the names in a directory durable (fsync of the directory), where the file system has a way to.
    public static func synchronizeDirectory(_ path: String) throws(IcecoreError) {
        let directory = try File(path, O_RDONLY | O_DIRECTORY)
        let descriptor = directory.descriptor
        try systemCall("cannot make durable", path) {
            let status = fsync(descriptor)
            return status != 0 && [EINVAL, EBADF, EOPNOTSUPP, ENOSYS].contains(errno) ? 0 : status
        }
    }

    /// Makes everything on the file system of a directory durable at once (syncfs).
    public static func synchronizeFileSystem(_ directory: borrowing File) throws(IcecoreError) {
        let descriptor = directory.descriptor
        try systemCall("cannot make durable", directory.path) { syncfs(descriptor) }
    }

    /// How many bytes an unprivileged process can still write to the file system of a path.
    public static func freeBytes(_ path: String) throws(IcecoreError) -> Int64 {
        try FreeSpace(path).bytes
    }

    /// Renames a file, replacing one at the new path.
    public static func rename(_ old: String, _ new: String) throws(IcecoreError) {
        try systemCall("cannot rename '\(old)' to", new) { Glibc.rename(old, new) }
    }

    /// Removes a file if it exists.
    public static func remove(_ path: String) throws(IcecoreError) {
        if unlink(path) != 0, errno != ENOENT { throw .system("cannot remove", path, errno: errno) }
    }

    /// Replaces a small file atomically and durably: after a crash it has the old content or the new.
    public static func replace(_ path: String, with bytes: [UInt8], mode: mode_t = 0o666) throws {
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
        let content = try beginning(path, limit: limit == .max ? limit : limit + 1)
        if content.count > limit {
            throw IcecoreError(.invalidData, "'\(path)' is larger than \(limit) bytes, which is not plausible")
        }
        return content
    }

    /// The first bytes of a file, all of them if there are no more than `limit`. Anything but a file is `invalidData`.
    public static func beginning(_ path: String, limit: Int) throws -> [UInt8] {
        let file = try File.regular(path)
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while content.count < limit {
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { break }
            content.append(contentsOf: buffer[..<min(count, limit - content.count)])
        }
        return content
    }

    /// Removes a file or a directory tree, if it exists.
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
        // An incomplete list must not pass for a whole one.
        if errno != 0 { throw .system("cannot list", path, errno: errno) }
        return names.sorted()
    }

    /// The path up to the last `/`: "." for a bare name, "/" for a name in the root.
    public static func directory(of path: String) -> String {
        // By bytes: a `/` and an accent at the beginning of a name are one character.
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The path with symbolic links resolved, as far as it exists.
    public static func resolved(_ path: String) -> String {
        let path = absolute(path)
        if let real = realpath(path, nil) {
            defer { free(real) }
            return String(cString: real)
        }
        guard path.utf8.count > 1, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
        let parent = resolved(slash == path.startIndex ? "/" : String(path[..<slash]))
        return (parent == "/" ? "" : parent) + path[slash...]
    }

    /// The path, absolute by the current directory and otherwise unchanged.
    public static func absolute(_ path: String) -> String {
        guard let current = currentDirectory else { return path }
        return absolute(path, in: current)
    }

    /// The path, absolute by another directory than the current one and otherwise unchanged.
    public static func absolute(_ path: String, in directory: String) -> String {
        if path.utf8.first == UInt8(ascii: "/") { return path }
        return directory == "/" ? "/\(path)" : "\(directory)/\(path)"
    }

    /// The current directory's path; nil if it has none, such as one that was removed.
    public static var currentDirectory: String? {
        guard let current = getcwd(nil, 0) else { return nil }
        defer { free(current) }
        let path = String(cString: current)
        return path.utf8.first == UInt8(ascii: "/") ? path : nil
    }

    /// The home directory that the user database has for this user; nil if there is none.
    public static var home: String? {
        var entry = passwd()
        var buffer = [CChar](repeating: 0, count: 65536)
        return buffer.withUnsafeMutableBufferPointer { buffer in
            var found: UnsafeMutablePointer<passwd>?
            guard let base = buffer.baseAddress,
                getpwuid_r(geteuid(), &entry, base, buffer.count, &found) == 0, found != nil,
                let directory = entry.pw_dir
            else { return nil }
            let path = String(cString: directory)
            return path.utf8.first == UInt8(ascii: "/") ? path : nil
        }
    }
}
