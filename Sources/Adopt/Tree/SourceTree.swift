import Basics
import Glibc

/// Walks a tree of any size: names come as the directories list them, and memory is bounded by the depth.
final class SourceTree {
    enum TreeItem {
        /// A directory, before what is in it.
        case directory(SourceDirectory)
        case file(name: [UInt8], in: SourceDirectory, FileState)
        /// Neither a file nor a directory, with what it is.
        case other(name: [UInt8], in: SourceDirectory, String)
        case unreadable(path: [UInt8], String)
    }

    /// The way to what is being listed.
    private var levels: [SourceDirectory] = []
    /// The tree itself, until the walk has begun.
    private var root: SourceDirectory?
    /// What is not entered: the store itself.
    private let excluded: FileState?

    /// - Parameters:
    ///   - root: a directory; a symbolic link that leads to one is followed.
    ///   - excluded: a directory that is not looked into.
    init(_ root: String, excluding excluded: String) throws {
        var status = stat()
        self.excluded = stat(excluded, &status) == 0 ? FileState(status) : nil
        let descriptor = try systemCall("cannot open", root) { open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard let directory = SourceDirectory(descriptor: descriptor, path: []) else {
            throw IcecoreError.system("cannot list", root, errno: errno)
        }
        self.root = directory
    }

    /// The next item; nil at the end.
    func next() -> TreeItem? {
        if let root = root.take() { return enter(root) }
        while let directory = levels.last {
            guard let name = directory.next() else {
                let number = errno
                levels.removeLast()
                if number == 0 { continue }
                return .unreadable(path: directory.path, "cannot be listed: \(String(cString: strerror(number)))")
            }
            if let item = item(name, in: directory) { return item }
        }
        return nil
    }

    private func item(_ name: [UInt8], in directory: SourceDirectory) -> TreeItem? {
        guard let status = directory.status(name) else {
            let number = errno
            // It has vanished since it was listed.
            if number == ENOENT { return nil }
            return .unreadable(path: directory.path + name, "cannot be read: \(String(cString: strerror(number)))")
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file(name: name, in: directory, FileState(status))
        case S_IFDIR:
            if let excluded, excluded.isSameFile(FileState(status)) { return nil }
            guard let below = directory.directory(name) else {
                let number = errno
                return .unreadable(
                    path: directory.path + name, "cannot be opened: \(String(cString: strerror(number)))")
            }
            return enter(below)
        case S_IFLNK: return .other(name: name, in: directory, "is a symbolic link")
        case S_IFIFO: return .other(name: name, in: directory, "is a FIFO")
        case S_IFSOCK: return .other(name: name, in: directory, "is a socket")
        default: return .other(name: name, in: directory, "is a device")
        }
    }

    private func enter(_ directory: SourceDirectory) -> TreeItem {
        levels.append(directory)
        return .directory(directory)
    }
}
