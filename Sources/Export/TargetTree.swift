import Basics
import Glibc

/// The directories that an export writes to: a stack from the target down to the current one.
///
/// Every step is one component, relative to an open directory, and follows no symbolic link, so that nothing planted in
/// the target leads out of it. Only the innermost directories are kept open: keys can be a thousand levels deep, and
/// processes are often limited to a thousand open files.
final class TargetTree {
    private struct Level {
        var name: [UInt8]
        var device: UInt64
        var inode: UInt64
        /// -1 if closed; device and inode tell which directory it must be when it is reopened.
        var descriptor: Int32
    }

    private let path: String
    /// The store, which must never be written to.
    private let store: (device: UInt64, inode: UInt64)
    private var levels: [Level] = []
    private static let openLevels = 16

    /// Opens the target, and creates it if it is missing.
    init(_ path: String, store: String) throws {
        self.path = path
        var status = stat()
        try systemCall("cannot examine", store) { stat(store, &status) }
        self.store = (UInt64(status.st_dev), UInt64(status.st_ino))
        // Checked before anything is created: the nearest directory that exists.
        let absolute = Files.absolute(path)
        var nearest = absolute
        while nearest != "/", access(nearest, F_OK) != 0 { nearest = Files.directory(of: nearest) }
        try refuseInside(nearest)
        try Files.createDirectories(absolute)
        let descriptor = try systemCall("cannot open", path) { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        try add([], descriptor)
    }

    deinit {
        for level in levels where level.descriptor >= 0 { close(level.descriptor) }
    }

    /// The current directory.
    var descriptor: Int32 { levels[levels.count - 1].descriptor }

    /// The path of a name in the current directory, for messages.
    func describe(_ name: [UInt8]) -> String {
        let names = levels.dropFirst().map(\.name) + [name]
        return "\(path)/" + names.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    }

    /// Descends into a directory, which is created if it is missing.
    func enter(_ name: [UInt8]) throws {
        let parent = descriptor
        let place = describe(name)
        let opened = try withPath(name) { name -> Int32 in
            if mkdirat(parent, name, 0o755) != 0, errno != EEXIST {
                throw IcecoreError.system("cannot create directory", place, errno: errno)
            }
            let opened = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            if opened < 0, errno == ENOTDIR || errno == ELOOP {
                throw IcecoreError(.busy, "'\(place)' is in the way of a directory: move it elsewhere")
            }
            if opened < 0 { throw IcecoreError.system("cannot open", place, errno: errno) }
            return opened
        }
        try add(name, opened)
        if levels.count > TargetTree.openLevels {
            let far = levels.count - 1 - TargetTree.openLevels
            if levels[far].descriptor >= 0 { close(levels[far].descriptor) }
            levels[far].descriptor = -1
        }
    }

    /// Returns to the parent directory.
    func leave() throws {
        let left = levels.removeLast()
        defer { close(left.descriptor) }
        let above = levels.count - 1
        guard levels[above].descriptor < 0 else { return }
        let opened = try systemCall("cannot open", describe([])) {
            openat(left.descriptor, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        }
        var status = stat()
        guard fstat(opened, &status) == 0, UInt64(status.st_dev) == levels[above].device,
            UInt64(status.st_ino) == levels[above].inode
        else {
            close(opened)
            throw IcecoreError(.busy, "directories below '\(path)' were moved during the export")
        }
        levels[above].descriptor = opened
    }

    private func add(_ name: [UInt8], _ descriptor: Int32) throws {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let number = errno
            close(descriptor)
            throw IcecoreError.system("cannot examine", describe(name), errno: number)
        }
        levels.append(
            Level(name: name, device: UInt64(status.st_dev), inode: UInt64(status.st_ino), descriptor: descriptor))
        if (levels[levels.count - 1].device, levels[levels.count - 1].inode) == store { throw insideStore }
    }

    /// Refuses a directory that is the store or below it: walks up to the root of the file system.
    private func refuseInside(_ start: String) throws {
        var last: (UInt64, UInt64) = (0, 0)
        var current = try systemCall("cannot open", start) { open(start, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { close(current) }
        while true {
            var status = stat()
            try systemCall("cannot examine", path) { fstat(current, &status) }
            let found = (UInt64(status.st_dev), UInt64(status.st_ino))
            if found == store { throw insideStore }
            if found == last { return }
            last = found
            let above = try systemCall("cannot open", path) {
                openat(current, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            }
            close(current)
            current = above
        }
    }

    private var insideStore: IcecoreError {
        IcecoreError(.usage, "an export to '\(path)' would write into the store: choose another directory")
    }
}

/// Passes a name to `body` as system calls want it.
func withPath<Result>(_ name: [UInt8], _ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
    try (name + [0]).withUnsafeBufferPointer { bytes in
        try bytes.withMemoryRebound(to: CChar.self) { bytes in
            guard let start = bytes.baseAddress else { return try body("") }
            return try body(start)
        }
    }
}
