import Basics
import Glibc

/// Marks in the target that an export is under way. Nothing is made durable before the end: if the machine has stopped
/// since then, a file of the right size and time need not have the right content.
struct ExportMark {
    private let directory: String
    private var path: String { "\(directory)/.icecore-export" }

    init(_ directory: String) {
        self.directory = directory
    }

    /// Sets the mark.
    ///
    /// - Returns: whether existing files can be trusted: no export was under way when the machine stopped.
    func begin() throws -> Bool {
        let boot = Array("\(try BootID.read())\n".utf8)
        var status = stat()
        if lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw IcecoreError(.busy, "'\(path)' is in the way: move it elsewhere")
            }
            if try Files.read(path, limit: 100) == boot { return true }
            // The mark stays unchanged until this export is complete.
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
