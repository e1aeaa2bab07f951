import Basics
import Glibc

/// Marks in the target that an export is under way. Nothing is made durable before the end: if the machine has stopped
/// since then, a file of the right size and time need not have the right content.
final class ExportMark {
    private let directory: String
    private var path: String { "\(directory)/.icecore-export" }
    private let file: File
    /// Whether existing files can be trusted: no export was under way when the machine stopped.
    let trustsFiles: Bool

    /// Sets the mark, and keeps other exports away from the target.
    init(_ directory: String) throws {
        self.directory = directory
        let path = "\(directory)/.icecore-export"
        let boot = Array("\(try BootID.read())\n".utf8)
        var status = stat()
        if lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw IcecoreError(.busy, "'\(path)' is in the way: move it elsewhere")
            }
            file = try File(path, O_RDWR | O_NOFOLLOW)
            try ExportMark.lock(file, directory)
            // The mark stays unchanged until this export is complete. An empty one was left by an export that could not
            // even write that much.
            trustsFiles = try Files.read(path, limit: 100) == boot
            return
        }
        file = try File(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
        try ExportMark.lock(file, directory)
        trustsFiles = true
        try boot.withUnsafeBytes { try file.write($0) }
        try TargetTree.synchronize(file)
        try TargetTree.synchronize(File(directory, O_RDONLY | O_DIRECTORY))
    }

    private static func lock(_ file: borrowing File, _ directory: String) throws {
        do {
            guard try FileLock.exclusive.acquireNow(file) else {
                throw IcecoreError(.busy, "another export to '\(directory)' is running: wait until it has ended")
            }
        } catch let error as IcecoreError where [ENOSYS, EOPNOTSUPP, EINVAL, ENOLCK].contains(error.errno) {
            // A file system without locks.
        }
    }

    /// Makes everything durable that was written.
    func synchronize() throws {
        try Files.synchronizeFileSystem(File(directory, O_RDONLY | O_DIRECTORY))
    }

    /// Takes the mark away.
    func remove() throws {
        try Files.remove(path)
    }
}
