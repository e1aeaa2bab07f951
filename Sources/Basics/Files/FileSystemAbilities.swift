import CLinux
import Glibc

/// What the file system of a directory cannot do, found out by trying.
public struct FileSystemAbilities: Sendable, Equatable {
    public enum Ability: Sendable, CaseIterable {
        /// flock(2).
        case locks
        /// fcntl(2), with which SQLite locks.
        case recordLocks
        /// mmap(2) with MAP_SHARED: readers and writers of an SQLite write-ahead log (WAL) meet in such memory.
        case sharedMemory
        /// ftruncate(2) beyond the end.
        case growingFiles
        /// A file that is removed while it is open stays readable.
        case removedFiles
        /// O_TMPFILE.
        case unnamedFiles
        /// RENAME_NOREPLACE.
        case carefulRenames
        /// link(2), across directories too.
        case hardLinks
        /// `A` and `a` are two names.
        case distinctCase
    }

    /// In the order of their declaration.
    public private(set) var lacking: [Ability] = []
    /// What kind of file system it is, if that says something: `FUSE`, `NFS`.
    public private(set) var kind: String?

    /// What nothing can stand in for.
    public static let necessary: [Ability] = [
        .locks, .recordLocks, .sharedMemory, .growingFiles, .removedFiles,
    ]

    /// Tries what no store can do without. Cheap: a handful of calls on one file.
    ///
    /// What cannot be found out (the disk is full, or read-only) counts as present: the next step fails with a better reason.
    ///
    /// - Parameter directory: where files can be created; nothing is left in it.
    public init(necessaryIn directory: String) {
        // The suffix is that of the file by which SQLite does the same.
        let path = "\(directory)/trial-\(getpid())-\(UInt64.random(in: 0 ... .max))-shm"
        guard let file = try? File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600) else { return }
        defer { unlink(path) }
        kind = FileSystemKind(of: file)?.name
        var lacks: [Ability] = []
        func demand(_ ability: Ability, _ body: () -> Bool) {
            errno = 0
            if !body(), errno == ENOLCK || errno == ENODEV || FileNaming.isLack(errno) { lacks.append(ability) }
        }
        let descriptor = file.descriptor
        demand(.locks) { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }
        demand(.recordLocks) {
            var lock = flock()
            lock.l_type = Int16(F_WRLCK)
            lock.l_whence = Int16(SEEK_SET)
            lock.l_len = 1
            return fcntl(descriptor, F_SETLK, &lock) == 0
        }
        demand(.growingFiles) { ftruncate(descriptor, 1 << 15) == 0 }
        demand(.sharedMemory) {
            // Without a byte on its page there would be nothing to map.
            guard pwrite(descriptor, [0], 1, 0) == 1 else { return true }
            let memory = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
            guard let memory, memory != MAP_FAILED else { return false }
            munmap(memory, 4096)
            return true
        }
        demand(.removedFiles) {
            let mark: [UInt8] = [1, 2, 3, 5]
            guard pwrite(descriptor, mark, 4, 0) == 4, unlink(path) == 0 else { return true }
            var seen: [UInt8] = [0, 0, 0, 0]
            let count = pread(descriptor, &seen, 4, 0)
            errno = EOPNOTSUPP
            return count == 4 && seen == mark
        }
        lacking = Ability.allCases.filter(lacks.contains)
    }

    /// Tries everything.
    public init(in directory: String) {
        self.init(necessaryIn: directory)
        let base = "\(directory)/trial-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let names = ["\(base)-a", "\(base)-b", "\(base)-d/c", "\(base)-A"]
        guard mkdir("\(base)-d", 0o700) == 0 else { return }
        defer {
            for name in names { unlink(name) }
            rmdir("\(base)-d")
        }
        guard (try? File(names[0], O_RDWR | O_CREAT | O_EXCL, mode: 0o600)) != nil else { return }
        if Files.exists(names[3]) { lacking.append(.distinctCase) }
        let unnamed = open(directory, O_RDWR | icecore_o_tmpfile | O_CLOEXEC, 0o600 as mode_t)
        if unnamed >= 0 {
            close(unnamed)
        } else if FileNaming.isLack(errno) || errno == EISDIR {
            lacking.append(.unnamedFiles)
        }
        if link(names[0], names[2]) != 0, FileNaming.isLack(errno) { lacking.append(.hardLinks) }
        if renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], icecore_rename_noreplace) != 0, FileNaming.isLack(errno) {
            lacking.append(.carefulRenames)
        }
        let lacks = lacking
        lacking = Ability.allCases.filter(lacks.contains)
    }

    /// Why a store cannot be read where it is; nil if its file system has locks of parts of files.
    ///
    /// - Parameters:
    ///   - path: of the store.
    ///   - file: a file in it that nobody locks.
    public static func refusal(_ path: String, ifNoRecordLocksOf file: String) -> IcecoreError? {
        guard let opened = try? File(file, O_RDONLY) else { return nil }
        var lock = flock()
        lock.l_type = Int16(F_RDLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_len = 1
        if fcntl(opened.descriptor, F_SETLK, &lock) == 0 { return nil }
        guard errno == ENOLCK || FileNaming.isLack(errno) else { return nil }
        return FileSystemAbilities(lacking: [.recordLocks], kind: FileSystemKind(of: opened)?.name).refusal(path)
    }

    private init(lacking: [Ability], kind: String?) {
        (self.lacking, self.kind) = (lacking, kind)
    }

    /// Why a store cannot be there; nil if it can.
    ///
    /// - Parameter path: of the store.
    public func refusal(_ path: String) -> IcecoreError? {
        let missing = lacking.filter(FileSystemAbilities.necessary.contains)
        guard !missing.isEmpty else { return nil }
        return IcecoreError(
            .unsupported,
            "'\(path)' is on a file system \(kind.map { "(\($0)) " } ?? "")that lacks "
                + "\(missing.map(\.description).joined(separator: " and ")): a store needs that, so put it on another disk"
        )
    }
}

extension FileSystemAbilities.Ability: CustomStringConvertible {
    /// As part of a sentence.
    public var description: String {
        switch self {
        case .locks: "locks (flock)"
        case .recordLocks: "locks of parts of files (fcntl)"
        case .sharedMemory: "memory shared through files (mmap), without which SQLite has no write-ahead log (WAL)"
        case .growingFiles: "files that can be made longer (ftruncate)"
        case .removedFiles: "files that stay readable while they are open, though they were removed"
        case .unnamedFiles: "files without a name (O_TMPFILE)"
        case .carefulRenames: "renames that replace nothing (RENAME_NOREPLACE)"
        case .hardLinks: "hard links"
        case .distinctCase: "names that differ only in case"
        }
    }
}
