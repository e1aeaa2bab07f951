import Basics
import CLinux
import Glibc

/// An open directory of the tree. Its files are opened in it, so that nobody can lead elsewhere meanwhile: no symbolic link
/// is followed.
final class SourceDirectory: @unchecked Sendable {
    // Only the walk's thread lists it.
    let descriptor: Int32
    /// Below the tree, with `/` at the end; empty for the tree itself.
    let path: [UInt8]
    private let stream: OpaquePointer

    /// Takes over a descriptor; nil: it cannot be listed, and errno says why.
    init?(descriptor: Int32, path: [UInt8]) {
        guard let stream = fdopendir(descriptor) else {
            let number = errno
            close(descriptor)
            errno = number
            return nil
        }
        self.stream = stream
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        closedir(stream)
    }

    /// The next name in it, in no particular order; nil: there is none, or errno says why.
    func next() -> [UInt8]? {
        while true {
            errno = 0
            guard let entry = readdir(stream) else { return nil }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [UInt8(ascii: ".")], name != Array("..".utf8) { return name }
        }
    }

    /// Calls `body` with a name as C has it.
    static func withName<Result>(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (name + [0]).withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { pointer in
                guard let start = pointer.baseAddress else { preconditionFailure("a name has a byte at its end") }
                return body(start)
            }
        }
    }

    /// Opens the directory of a name; nil: it cannot, and errno says why.
    func directory(_ name: [UInt8]) -> SourceDirectory? {
        let opened = SourceDirectory.withName(name) {
            openat(descriptor, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        }
        return opened < 0 ? nil : SourceDirectory(descriptor: opened, path: path + name + [UInt8(ascii: "/")])
    }

    /// What is under a name; nil: nothing that can be looked at, and errno says why.
    func status(_ name: [UInt8]) -> stat? {
        var status = stat()
        let code = SourceDirectory.withName(name) { fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }
        return code == 0 ? status : nil
    }

    /// Opens a file to be read, without a trace in the tree where that is possible: -1 and errno, or a descriptor. A FIFO
    /// is not waited for.
    func open(_ name: [UInt8]) -> Int32 {
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
        return SourceDirectory.withName(name) { name in
            // Only a file's owner may leave its time of access alone.
            let file = openat(descriptor, name, flags | icecore_o_noatime)
            return file >= 0 || errno != EPERM ? file : openat(descriptor, name, flags)
        }
    }
}

/// What identifies a file and the state that it is in, as far as the file system tells.
struct FileState: Equatable, Sendable {
    let device: UInt
    private let inode: UInt
    let size: Int64
    private let seconds: Int
    private let nanoseconds: Int
    let links: UInt
    let owner: uid_t

    init(_ status: stat) {
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
        size = Int64(status.st_size)
        seconds = Int(status.st_mtim.tv_sec)
        nanoseconds = Int(status.st_mtim.tv_nsec)
        links = UInt(status.st_nlink)
        owner = status.st_uid
    }

    /// Whether it is the same file, and nobody has written to it.
    func isUnchanged(_ other: FileState) -> Bool {
        isSameFile(other) && size == other.size && seconds == other.seconds && nanoseconds == other.nanoseconds
    }

    /// Whether it is the same file.
    func isSameFile(_ other: FileState) -> Bool {
        device == other.device && inode == other.inode
    }
}
