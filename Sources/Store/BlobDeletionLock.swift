import Basics
import Glibc

/// Keeps what the store has where it is: pushes hold it, several at once; who takes blobs away holds it alone.
///
/// Beside the lock of the one writer, so that a sync can go on while a push takes days. The kernel releases it with the
/// process.
public final class BlobDeletionLock: Sendable {
    private let file: File

    /// - Parameter removing: blobs are to be taken away.
    /// - Throws: `busy` where somebody else is in the way.
    public init(_ store: Store, removing: Bool) throws {
        let path = "\(store.path)/\(StoreLayout.deletionLock)"
        file = try File(path, O_RDWR | O_CREAT)
        if try (removing ? FileLock.exclusive : .shared).acquireNow(file) { return }
        throw IcecoreError(
            .busy,
            removing
                ? "the store '\(store.path)' is being pushed to a replica: wait for that, or stop it"
                : "the store '\(store.path)' is being pruned or repaired: wait for that, or stop it")
    }
}
