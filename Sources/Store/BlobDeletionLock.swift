import Basics
import Glibc

/// Keeps what the store has where it is: pushes hold it, several at once; who takes blobs away holds it alone.
///
/// Beside the lock of the one writer, so that a sync can go on while a push takes days. The kernel releases it with the
/// process.
public final class BlobDeletionLock: Sendable {
    private let descriptor: Int32

    /// - Parameter removing: blobs are to be taken away.
    /// - Throws: `busy` where somebody else is in the way.
    public init(_ store: Store, removing: Bool) throws {
        let path = "\(store.path)/\(StoreLayout.deletionLock)"
        descriptor = try systemCall("cannot open", path) { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644) }
        guard flock(descriptor, (removing ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0 else { return }
        let number = errno
        close(descriptor)
        guard number == EWOULDBLOCK else { throw IcecoreError.system("cannot lock", path, errno: number) }
        throw IcecoreError(
            .busy,
            removing
                ? "the store '\(store.path)' is being pushed to a replica: wait for that, or stop it"
                : "the store '\(store.path)' is being pruned or repaired: wait for that, or stop it")
    }

    deinit {
        close(descriptor)
    }
}
