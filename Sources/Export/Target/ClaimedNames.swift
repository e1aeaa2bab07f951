import Basics
import Glibc

/// Names that keys have taken in a directory whose file system takes different names for the same one: an empty file for
/// each, in a directory beside them. So the file system itself says which are the same, and nothing is kept in memory.
final class ClaimedNames {
    static let name = Array(".icecore-names".utf8)

    private let descriptor: Int32
    private let place: String

    /// Begins without names.
    init(in tree: TargetTree) throws {
        try ClaimedNames.remove(from: tree)
        place = tree.describe(ClaimedNames.name)
        let parent = tree.descriptor
        let place = place
        descriptor = try withPath(ClaimedNames.name) { name in
            try systemCall("cannot create directory", place) { mkdirat(parent, name, 0o777) }
            return try systemCall("cannot open", place) {
                openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            }
        }
    }

    deinit {
        close(descriptor)
    }

    /// Takes a name for a key; false if another key has it.
    func claim(_ name: [UInt8]) throws -> Bool {
        let opened = withPath(name) {
            openat(descriptor, $0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        }
        if opened >= 0 {
            close(opened)
            return true
        }
        if errno == EEXIST { return false }
        // A name that there cannot be is in nobody's way.
        if TargetTree.isAboutName(errno) { return true }
        throw IcecoreError.system("cannot create", "\(place)/\(String(decoding: name, as: UTF8.self))", errno: errno)
    }

    /// Gives a name back.
    func release(_ name: [UInt8]) {
        withPath(name) { _ = unlinkat(descriptor, $0, 0) }
    }

    /// Removes all names, also those that a killed process has left.
    static func remove(from tree: TargetTree) throws {
        if withPath(name, { unlinkat(tree.descriptor, $0, AT_REMOVEDIR) }) == 0 || errno == ENOENT { return }
        let opened = withPath(name) {
            openat(tree.descriptor, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        }
        guard opened >= 0 else { throw IcecoreError.system("cannot open", tree.describe(name), errno: errno) }
        guard let entries = fdopendir(opened) else {
            let number = errno
            close(opened)
            throw IcecoreError.system("cannot list", tree.describe(name), errno: number)
        }
        defer { closedir(entries) }
        var isAnyLeft = true
        while isAnyLeft {
            isAnyLeft = false
            rewinddir(entries)
            while let entry = readdir(entries) {
                withUnsafePointer(to: &entry.pointee.d_name) { name in
                    name.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                        if unlinkat(opened, name, 0) == 0 { isAnyLeft = true }
                    }
                }
            }
        }
        if withPath(name, { unlinkat(tree.descriptor, $0, AT_REMOVEDIR) }) != 0 {
            throw IcecoreError.system("cannot remove", tree.describe(name), errno: errno)
        }
    }
}
