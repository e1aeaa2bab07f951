import Basics
import Glibc

/// The directories that an export writes to: a stack from the target down to the one at hand.
///
/// Every step is one component, relative to an open directory, and follows no symbolic link, so that nothing that
/// somebody else has put there leads out of the target. Only the innermost are kept open: keys can be a thousand levels
/// deep, and processes are often allowed a thousand files.
final class TargetTree {
    private struct Level {
        var name: [UInt8]
        var device: UInt64
        var inode: UInt64
        /// -1: closed; its number says which one it must be when it is opened again.
        var descriptor: Int32
    }

    private let path: String
    /// Never to be written to.
    private let store: (device: UInt64, inode: UInt64)
    private var levels: [Level] = []
    private static let openLevels = 16

    /// Opens the target, and makes it where it is missing.
    init(_ path: String, store: String) throws {
        self.path = path
        var status = stat()
        try systemCall("cannot examine", store) { stat(store, &status) }
        self.store = (UInt64(status.st_dev), UInt64(status.st_ino))
        // Before anything is made: the nearest directory that is there.
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

    /// The directory at hand.
    var descriptor: Int32 { levels[levels.count - 1].descriptor }

    /// The path of a name in the directory at hand, for messages.
    func describe(_ name: [UInt8]) -> String {
        let names = levels.dropFirst().map(\.name) + [name]
        return "\(path)/" + names.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    }

    /// Goes down into a directory, which is made where it is missing.
    func enter(_ name: [UInt8]) throws {
        let parent = descriptor
        let place = describe(name)
        let opened = try withPath(name) { name -> Int32 in
            if mkdirat(parent, name, 0o755) != 0, errno != EEXIST {
                throw IcecoreError.system("cannot create directory", place, errno: errno)
            }
            let opened = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            if opened < 0, errno == ENOTDIR || errno == ELOOP {
                throw IcecoreError(.busy, "'\(place)' is in the way: a directory has to be there. Move it elsewhere")
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

    /// Goes back up.
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
            throw IcecoreError(.busy, "somebody moved directories below '\(path)' while they were written to")
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

    /// Goes up to the root of the file system, and must not meet the store on the way.
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
        IcecoreError(.usage, "'\(path)' is or holds a place inside the store: export to another directory")
    }
}

/// Gives a name to `body` as system calls want it.
func withPath<Result>(_ name: [UInt8], _ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
    try (name + [0]).withUnsafeBufferPointer { bytes in
        try bytes.withMemoryRebound(to: CChar.self) { bytes in
            guard let start = bytes.baseAddress else { return try body("") }
            return try body(start)
        }
    }
}
