import Basics
import Glibc

/// The directories that an export writes to: a stack from the target down to the current one.
///
/// Every step is one component, relative to an open directory, and follows no symbolic link, so that nothing planted in
/// the target leads out of it. Only the innermost directories are kept open: keys can be a thousand levels deep, and
/// processes are often limited to a thousand open files.
final class TargetTree {
    /// What is under a name.
    enum FoundEntry {
        case nothing, directory
        case file(stat)
        /// A symbolic link, a device.
        case other
        /// The target can have nothing of this name; the errno that says so.
        case impossible(Int32)
    }

    private struct Level {
        var name: [UInt8]
        var device: UInt64
        var inode: UInt64
        /// -1 if closed; device and inode tell which directory it must be when it is reopened.
        var descriptor: Int32
    }

    private let path: String
    /// The target itself was created.
    let isNew: Bool
    /// The store, which must never be written to.
    private let store: (device: UInt64, inode: UInt64)
    private var levels: [Level] = []
    private static let openLevels = 16

    /// Opens the target, and creates it if it is missing.
    ///
    /// - Parameter isDryRun: nothing is created; nil where there is no target yet.
    init?(_ path: String, store: String, isDryRun: Bool) throws {
        self.path = path
        var status = stat()
        try systemCall("cannot examine", store) { stat(store, &status) }
        self.store = (UInt64(status.st_dev), UInt64(status.st_ino))
        // Checked before anything is created: the nearest directory that exists.
        let absolute = Files.absolute(path)
        var nearest = absolute
        while nearest != "/", access(nearest, F_OK) != 0 { nearest = Files.directory(of: nearest) }
        isNew = nearest != absolute
        try refuseInside(nearest)
        if isDryRun, isNew { return nil }
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

    /// What is under a name in the current directory.
    func look(_ name: [UInt8]) throws -> FoundEntry {
        var status = stat()
        while withPath(name, { fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }) != 0 {
            switch errno {
            case EINTR: continue
            case ENOENT: return .nothing
            // Permission to search would be EACCES.
            case EINVAL, ENAMETOOLONG, EILSEQ, EPERM: return .impossible(errno)
            default: throw IcecoreError.system("cannot examine", describe(name), errno: errno)
            }
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return .directory
        case S_IFREG: return .file(status)
        default: return .other
        }
    }

    /// Creates a directory where there is nothing.
    ///
    /// - Returns: the errno of a target that cannot have a directory of this name, though it can be written to.
    func make(_ name: [UInt8]) throws -> Int32? {
        while withPath(name, { mkdirat(descriptor, $0, 0o777) }) != 0 {
            let number = errno
            if number == EINTR { continue }
            guard TargetTree.isAboutName(number) || number == EMLINK || number == EEXIST else {
                throw IcecoreError.system("cannot create directory", describe(name), errno: number)
            }
            // The same is said where nothing at all may be created.
            try FileWriter.create(FileWriter.temporaryName, in: self)
            try remove(FileWriter.temporaryName)
            return number
        }
        return nil
    }

    /// Whether an error of what gives a file its name can be the fault of that name. File systems disagree about which
    /// they give for one that they cannot spell.
    static func isAboutName(_ number: Int32) -> Bool {
        [EINVAL, ENAMETOOLONG, EILSEQ, EPERM, EACCES, ENOENT, EOPNOTSUPP].contains(number)
    }

    /// Removes a file, if it is there.
    func remove(_ name: [UInt8]) throws {
        if withPath(name, { unlinkat(descriptor, $0, 0) }) != 0, errno != ENOENT {
            throw IcecoreError.system("cannot remove", describe(name), errno: errno)
        }
    }

    /// Removes a directory; false if it is not empty.
    func removeDirectory(_ name: [UInt8]) throws -> Bool {
        if withPath(name, { unlinkat(descriptor, $0, AT_REMOVEDIR) }) == 0 || errno == ENOENT { return true }
        // What is busy is a mount point.
        if [ENOTEMPTY, EEXIST, EBUSY, ENOTDIR].contains(errno) { return false }
        throw IcecoreError.system("cannot remove", describe(name), errno: errno)
    }

    /// Descends into a directory.
    func enter(_ name: [UInt8]) throws {
        let parent = descriptor
        let place = describe(name)
        let opened = try withPath(name) { name -> Int32 in
            try systemCall("cannot open", place) {
                openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            }
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
        guard levels.count > 1 else { return }
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

    /// Whether the current directory has an entry that is spelled like this: where names fold, what is found under one
    /// can have another.
    func lists(_ name: [UInt8]) throws -> Bool {
        let opened = try systemCall("cannot open", describe([])) { openat(descriptor, ".", O_RDONLY | O_DIRECTORY) }
        guard let entries = fdopendir(opened) else {
            let number = errno
            close(opened)
            throw IcecoreError.system("cannot list", describe([]), errno: number)
        }
        defer { closedir(entries) }
        while let entry = readdir(entries) {
            try Interruption.check()
            let isSame = withUnsafePointer(to: &entry.pointee.d_name) { entry in
                entry.withMemoryRebound(to: CChar.self, capacity: 256) { entry in
                    withPath(name) { strcmp(entry, $0) == 0 }
                }
            }
            if isSame { return true }
        }
        return false
    }

    /// Sets the time of the current directory, where the target keeps such times.
    func setTime(_ time: timespec) throws {
        let times = [time, time]
        if futimens(descriptor, times) != 0, !FileWriter.lacksTimes(errno) {
            throw IcecoreError.system("cannot set the time of", describe([]), errno: errno)
        }
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

    /// Makes a file or a directory of the target durable, where its file system can be asked for that.
    static func synchronize(_ file: borrowing File) throws {
        if fsync(file.descriptor) != 0, ![EINVAL, ENOSYS, EOPNOTSUPP].contains(errno) {
            throw IcecoreError.system("cannot make durable", file.path, errno: errno)
        }
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
