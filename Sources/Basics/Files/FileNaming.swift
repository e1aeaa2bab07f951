import CLinux
import Glibc

/// Gives finished files their names, never in the place of another file, on whatever file system.
///
/// Many file systems cannot do that in one step: NFS, FUSE and some of those of clusters know neither RENAME_NOREPLACE nor
/// hard links. What fails once for such a reason is not tried again.
public struct FileNaming: Sendable {
    private var canRefuseToReplace = true
    private var canLink = true

    public init() {}

    /// Whether a call failed, as far as its errno tells, because the file system cannot do such a thing. Where it is a
    /// matter of permissions after all, the next way fails as well.
    public static func isLack(_ number: Int32) -> Bool {
        [EINVAL, ENOSYS, EOPNOTSUPP, EPERM, EACCES, EXDEV, EMLINK, ENOTTY].contains(number)
    }

    /// Moves a file to a name that must not be taken: in one step where possible; else by a second name for a moment; else by
    /// a plain rename, once nothing is seen under the new name. Only what comes into being between the look and the
    /// rename is replaced, so names must be such that whoever takes the same one has the same content.
    ///
    /// - Parameters:
    ///   - old: a path.
    ///   - new: a path below `directory`.
    /// - Returns: 0, or errno; EEXIST if the name is taken.
    public mutating func move(_ old: String, to new: String, in directory: borrowing File) -> Int32 {
        if canRefuseToReplace {
            if renameat2(AT_FDCWD, old, directory.descriptor, new, icecore_rename_noreplace) == 0 { return 0 }
            guard FileNaming.isLack(errno) else { return errno }
        }
        if canLink {
            if linkat(AT_FDCWD, old, directory.descriptor, new, 0) == 0 {
                canRefuseToReplace = false
                return unlink(old) == 0 || errno == ENOENT ? 0 : errno
            }
            guard FileNaming.isLack(errno) else { return errno }
        }
        var status = stat()
        if fstatat(directory.descriptor, new, &status, AT_SYMLINK_NOFOLLOW) == 0 { return EEXIST }
        guard errno == ENOENT else { return errno }
        if renameat(AT_FDCWD, old, directory.descriptor, new) != 0 { return errno }
        (canRefuseToReplace, canLink) = (false, false)
        return 0
    }

    /// Gives a file without a name (O_TMPFILE) one that must not be taken.
    ///
    /// - Returns: 0, or errno; EEXIST if the name is taken. After what ``isLack(_:)`` it remains to copy the content.
    public func name(unnamed file: Int32, _ new: String, in directory: borrowing File) -> Int32 {
        linkat(AT_FDCWD, "/proc/self/fd/\(file)", directory.descriptor, new, Int32(AT_SYMLINK_FOLLOW)) == 0 ? 0 : errno
    }
}
