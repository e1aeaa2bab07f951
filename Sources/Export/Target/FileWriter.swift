import Basics
import Blobs
import Glibc

/// Puts one file into a directory: written under a temporary name, then renamed into place.
struct FileWriter {
    enum Made {
        case linked, cloned, copied
    }
    enum Written {
        /// With the status that the file then has.
        case made(Made, stat)
        /// The blob cannot be read.
        case unreadable(IcecoreError)
        /// The target cannot have this file.
        case refused(LeftOutReason, Int32)
    }

    /// A name that no key gets in a tree.
    static let temporaryName = Array(".icecore-part".utf8)
    /// In place of a blob: an empty content, which needs none. It is never linked.
    static let nothing = BlobPlace.file(emptyPath)
    private static let emptyPath = "/dev/null"

    let kind: LinkKind
    var naming = FirstNaming.rename

    /// - Parameters:
    ///   - blob: where the blob is.
    ///   - isNew: nothing seems to be there. If there is something, the target has it under another name.
    ///   - replacing: what is there now goes first, for its name may be spelled differently.
    func write(
        _ name: [UInt8], in tree: TargetTree, from blob: BlobPlace, size: Int64, time: timespec, isNew: Bool,
        replacing: Bool
    ) throws -> Written {
        let source: OpenBlob
        do throws(IcecoreError) {
            source = try FileWriter.open(blob, size: size)
        } catch {
            if [EMFILE, ENFILE, ENOMEM].contains(error.errno) { throw error }
            return .unreadable(error)
        }
        let temporary = FileWriter.temporaryName
        do {
            let made: Made
            switch try make(in: tree, from: source, blob, size: size, time: time, tree.describe(name)) {
            case .success(let how): made = how
            case .failure(let failure):
                try tree.remove(temporary)
                return failure.written
            }
            if replacing { try tree.remove(name) }
            if let refusal = try rename(to: name, in: tree, isNew: isNew) {
                try tree.remove(temporary)
                return refusal
            }
            return .made(made, try FileWriter.status(of: name, in: tree))
        } catch {
            withPath(temporary) { _ = unlinkat(tree.descriptor, $0, 0) }
            throw error
        }
    }

    private static func status(of name: [UInt8], in tree: TargetTree) throws -> stat {
        var status = stat()
        try withPath(name) { path in
            _ = try systemCall("cannot examine", tree.describe(name)) {
                fstatat(tree.descriptor, path, &status, AT_SYMLINK_NOFOLLOW)
            }
        }
        return status
    }

    /// Sets the time of a file, as far as the target keeps it; the status that the file then has.
    static func setTime(_ time: timespec, of name: [UInt8], in tree: TargetTree) throws -> stat {
        let times = [time, time]
        if withPath(name, { utimensat(tree.descriptor, $0, times, AT_SYMLINK_NOFOLLOW) }) != 0, !lacksTimes(errno) {
            throw IcecoreError.system("cannot set the time of", tree.describe(name), errno: errno)
        }
        return try status(of: name, in: tree)
    }

    /// Whether a file has the content of a blob. False if one of them cannot be read.
    static func isCopy(_ name: [UInt8], in tree: TargetTree, of blob: BlobPlace) throws -> Bool {
        let descriptor = withPath(name) { openat(tree.descriptor, $0, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) }
        guard descriptor >= 0 else { return false }
        let file = File(descriptor: descriptor, path: tree.describe(name))
        guard let source = try? OpenBlob(blob) else { return false }
        let size = source.size
        var done: Int64 = 0
        return try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 16) { buffer in
            let half = buffer.count / 2
            while done < size {
                try Interruption.check()
                let length = Int(min(Int64(half), size - done))
                let first = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
                let second = UnsafeMutableRawBufferPointer(rebasing: buffer[half..<half + length])
                guard (try? file.read(into: first, at: done)) != nil, (try? source.read(into: second, at: done)) != nil,
                    UnsafeRawBufferPointer(first).isEqual(to: UnsafeRawBufferPointer(second))
                else { return false }
                done += Int64(length)
            }
            return true
        }
    }

    private static func open(_ blob: BlobPlace, size: Int64) throws(IcecoreError) -> OpenBlob {
        let source = try OpenBlob(blob)
        guard source.size == size else {
            throw IcecoreError(.damaged, "'\(blob.description)' is not as large as it should be")
        }
        return source
    }

    /// Gives the temporary file its name; what it returns is why the target cannot have that.
    private func rename(to name: [UInt8], in tree: TargetTree, isNew: Bool) throws -> Written? {
        let (directory, temporary) = (tree.descriptor, FileWriter.temporaryName)
        if isNew, naming != .rename {
            switch naming.name(temporary, name, in: directory) {
            case 0: return nil
            case EEXIST: return .refused(.sameName, EEXIST)
            default: break
            }
        }
        func attempt() -> Int32 {
            withPath(temporary) { from in
                withPath(name) { to in renameat(directory, from, directory, to) == 0 ? 0 : errno }
            }
        }
        var number = attempt()
        if number == EEXIST, case .file = try tree.look(name) {
            // Some file systems cannot rename onto a file.
            try tree.remove(name)
            number = attempt()
        }
        if number == 0 {
            // rename(2) leaves two names of one file as they are.
            withPath(temporary) { _ = unlinkat(directory, $0, 0) }
            return nil
        }
        if [EISDIR, EEXIST, ENOTEMPTY].contains(number) { return .refused(.inTheWay, number) }
        // A file with another name could be made, so it is the name's fault.
        if TargetTree.isAboutName(number), case .file = try tree.look(temporary) { return .refused(.name, number) }
        throw IcecoreError.system("cannot create", tree.describe(name), errno: number)
    }

    private struct CopyFailure: Error {
        var written: Written
    }

    /// Creates the temporary file anew, and opens it.
    @discardableResult
    static func create(_ name: [UInt8], in tree: TargetTree) throws -> File {
        withPath(name) { _ = unlinkat(tree.descriptor, $0, 0) }
        let descriptor = try withPath(name) { path in
            try systemCall("cannot create", tree.describe(name)) {
                openat(tree.descriptor, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
            }
        }
        return File(descriptor: descriptor, path: tree.describe(name))
    }

    private func make(
        in tree: TargetTree, from source: OpenBlob, _ blob: BlobPlace, size: Int64, time: timespec, _ place: String
    ) throws -> Result<Made, CopyFailure> {
        // A record of a pack is no file that could be linked or cloned.
        let path = blob.path.flatMap { $0 == FileWriter.emptyPath ? nil : $0 }
        if kind == .hard, let path {
            withPath(FileWriter.temporaryName) { _ = unlinkat(tree.descriptor, $0, 0) }
            let isLinked = withPath(FileWriter.temporaryName) {
                linkat(AT_FDCWD, path, tree.descriptor, $0, 0) == 0
            }
            if isLinked { return .success(.linked) }
            // Another file system, too many links, or not permitted: fall back.
            guard [EXDEV, EMLINK, EPERM, EACCES, EOPNOTSUPP, ENOSYS, EINVAL].contains(errno) else {
                throw IcecoreError.system("cannot create", place, errno: errno)
            }
        }
        let target = try FileWriter.create(FileWriter.temporaryName, in: tree)
        var made = Made.copied
        if kind != .copy, size > 0, path != nil, File.clone(source.descriptor, to: target.descriptor) {
            made = .cloned
        } else {
            if kind == .reflink, size > 0 {
                let number = path == nil ? EOPNOTSUPP : errno
                throw IcecoreError.system("cannot make a reflink of '\(blob.description)' at", place, errno: number)
            }
            if let failure = try copy(source, target.descriptor, size, place) { return .failure(failure) }
        }
        let times = [time, time]
        if futimens(target.descriptor, times) != 0, !FileWriter.lacksTimes(errno) {
            throw IcecoreError.system("cannot set the time of", place, errno: errno)
        }
        try target.close()
        return .success(made)
    }

    /// Whether an error of futimens(2) says that the target does not keep such times.
    static func lacksTimes(_ number: Int32) -> Bool {
        [EPERM, EACCES, EINVAL, ENOSYS, EOPNOTSUPP, ERANGE, EOVERFLOW].contains(number)
    }

    private func copy(_ source: OpenBlob, _ target: Int32, _ size: Int64, _ place: String) throws -> CopyFailure? {
        var done: Int64 = 0
        var buffer = [UInt8](repeating: 0, count: Int(min(size, 1 << 20)))
        while done < size {
            try Interruption.check()
            let length = min(buffer.count, Int(size - done))
            let failure = try buffer.withUnsafeMutableBytes { bytes -> CopyFailure? in
                do throws(IcecoreError) {
                    try source.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<length]), at: done)
                } catch {
                    return CopyFailure(written: .unreadable(error))
                }
                var start = 0
                while start < length {
                    let count = Glibc.write(target, bytes.baseAddress.map { $0 + start }, length - start)
                    if count < 0, errno == EFBIG { return CopyFailure(written: .refused(.tooLarge, EFBIG)) }
                    if count < 0, errno != EINTR { throw IcecoreError.system("cannot write", place, errno: errno) }
                    start += max(0, count)
                }
                return nil
            }
            if let failure { return failure }
            done += Int64(length)
        }
        return nil
    }
}
