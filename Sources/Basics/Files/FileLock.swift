import Glibc

/// An advisory lock on an open file, by flock(2). It lasts until the file is closed; the kernel releases it with the
/// process, however that ends.
///
/// Between machines it is as good as the file system they share: see ``FileSystemKind``.
public enum FileLock: Sendable {
    /// Held by any number of processes at once.
    case shared
    /// Held by one, while nobody else holds it in either way.
    case exclusive

    /// Takes the lock, or returns false at once where another open file holds it.
    public func acquireNow(_ file: borrowing File) throws(IcecoreError) -> Bool {
        let operation = self == .shared ? LOCK_SH : LOCK_EX
        while flock(file.descriptor, operation | LOCK_NB) != 0 {
            let number = errno
            if number == EWOULDBLOCK { return false }
            if number != EINTR { throw FileLock.failure(file, number) }
        }
        return true
    }

    private static func failure(_ file: borrowing File, _ number: Int32) -> IcecoreError {
        guard [ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL].contains(number) else {
            return .system("cannot lock", file.path, errno: number)
        }
        let kind = FileSystemKind(of: file).map { " (\($0.name))" } ?? ""
        return IcecoreError(
            .unsupported,
            "cannot lock '\(file.path)': its file system\(kind) has no locks (flock: \(String(cString: strerror(number)))). "
                + "Mount it so that it has them (Lustre: -o flock; NFS: with its lock service, or -o local_lock=flock where "
                + "one machine writes), or use another disk", errno: number)
    }

    /// Takes the lock once it is free, or throws ``IcecoreError/Code/interrupted``. A long wait is not silent
    /// (``LockWait``).
    ///
    /// - Parameters:
    ///   - what: what it is needed for, after "waiting to".
    ///   - pause: microseconds between attempts; a wait inside flock(2) would not notice an ``Interruption``.
    public func acquire(_ file: borrowing File, to what: String, pause: UInt32) throws(IcecoreError) {
        var wait = LockWait()
        while try !acquireNow(file) {
            try Interruption.check()
            wait.goOn(what, LockHolder.of(file))
            usleep(pause)
        }
    }
}
