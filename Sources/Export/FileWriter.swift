import Basics
import Glibc

/// Puts one file into a directory: written under a temporary name, then renamed into place.
struct FileWriter {
    enum Made {
        case linked, cloned, copied
    }

    /// A name that no key gets in a tree.
    static let temporaryName = Array(".icecore-part".utf8)

    let kind: LinkKind

    /// Whether the file is already there: of the right size and time, or the blob itself.
    ///
    /// - Parameter blob: the status of the blob.
    func isThere(_ name: [UInt8], in directory: Int32, size: Int64, time: timespec, blob: stat) -> Bool {
        var status = stat()
        let isFound = withPath(name) { fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) == 0 }
        guard isFound, status.st_mode & S_IFMT == S_IFREG, Int64(status.st_size) == size else { return false }
        let isBlob = status.st_dev == blob.st_dev && status.st_ino == blob.st_ino
        if kind == .hard, isBlob { return true }
        return !isBlob && status.st_mtim.tv_sec == time.tv_sec && status.st_mtim.tv_nsec == time.tv_nsec
    }

    /// - Parameters:
    ///   - source: the blob, open.
    ///   - place: the file, for messages.
    func write(
        _ name: [UInt8], in directory: Int32, from source: borrowing File, size: Int64, time: timespec, place: String
    ) throws -> Made {
        let temporary = FileWriter.temporaryName
        withPath(temporary) { _ = unlinkat(directory, $0, 0) }
        do {
            let made = try make(temporary, in: directory, from: source, size: size, time: time, place)
            try withPath(temporary) { from in
                try withPath(name) { to in
                    if renameat(directory, from, directory, to) != 0 {
                        if errno == EISDIR || errno == EEXIST || errno == ENOTEMPTY {
                            throw IcecoreError(
                                .busy, "'\(place)' is in the way of a file: move it elsewhere")
                        }
                        throw IcecoreError.system("cannot create", place, errno: errno)
                    }
                    // rename(2) leaves two names of one file as they are.
                    unlinkat(directory, from, 0)
                }
            }
            return made
        } catch {
            withPath(temporary) { _ = unlinkat(directory, $0, 0) }
            throw error
        }
    }

    private func make(
        _ name: [UInt8], in directory: Int32, from source: borrowing File, size: Int64, time: timespec, _ place: String
    ) throws -> Made {
        if kind == .hard {
            let isLinked = withPath(name) { linkat(AT_FDCWD, source.path, directory, $0, 0) == 0 }
            if isLinked { return .linked }
            // Another file system, too many links, or not permitted: fall back.
            guard [EXDEV, EMLINK, EPERM, EACCES, EOPNOTSUPP].contains(errno) else {
                throw IcecoreError.system("cannot create", place, errno: errno)
            }
        }
        let target = try withPath(name) { name in
            let opened = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
            if opened < 0 { throw IcecoreError.system("cannot create", place, errno: errno) }
            return opened
        }
        defer { close(target) }
        var made = Made.copied
        if kind != .copy, size > 0, source.clone(to: target) {
            made = .cloned
        } else {
            if kind == .reflink, size > 0 {
                throw IcecoreError.system("cannot make a reflink of '\(source.path)' at", place, errno: errno)
            }
            try copy(source, target, size, place)
        }
        let times = [time, time]
        try systemCall("cannot set the time of", place) { futimens(target, times) }
        return made
    }

    private func copy(_ source: borrowing File, _ target: Int32, _ size: Int64, _ place: String) throws {
        var done: Int64 = 0
        var buffer = [UInt8](repeating: 0, count: Int(min(size, 1 << 20)))
        while done < size {
            try Interruption.check()
            let length = min(buffer.count, Int(size - done))
            try buffer.withUnsafeMutableBytes { bytes in
                try source.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<length]), at: done)
                var start = 0
                while start < length {
                    start += try systemCall("cannot write", place) {
                        Glibc.write(target, bytes.baseAddress.map { $0 + start }, length - start)
                    }
                }
            }
            done += Int64(length)
        }
    }
}
