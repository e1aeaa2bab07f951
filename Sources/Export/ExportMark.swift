import Basics
import Glibc

/// Says, in the target, that an export is under way: whether a file of the right size and time has the right content
/// is not sure where the machine has stopped since, for nothing is made durable before the end.
struct ExportMark {
    private let directory: String
    private var path: String { "\(directory)/.icecore-export" }

    init(_ directory: String) {
        self.directory = directory
    }

    /// Whether files that are there can be trusted: no export was under way when the machine stopped.
    func begin() throws -> Bool {
        let boot = try Files.read("/proc/sys/kernel/random/boot_id", limit: 100)
        var status = stat()
        if lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw IcecoreError(.busy, "'\(path)' is in the way: move it elsewhere")
            }
            if try Files.read(path, limit: 100) == boot { return true }
            // It stays as it is until this export is complete.
            return false
        }
        let mark = try File(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        try boot.withUnsafeBytes { try mark.write($0) }
        try mark.synchronize()
        try Files.synchronizeDirectory(directory)
        return true
    }

    func end() throws {
        try Files.synchronizeFileSystem(File(directory, O_RDONLY | O_DIRECTORY))
        try Files.remove(path)
    }
}
