import Basics
import Glibc

/// Protects blobs from deletion: pushes hold it, several at once; whatever removes blobs holds it alone.
///
/// Separate from the writer's lock, so that syncs can run while a push takes days. The kernel releases it with the
/// process.
public final class BlobDeletionLock: Sendable {
    private let file: File

    /// - Parameter removing: blobs are to be removed.
    /// - Throws: `busy` if another process is in the way.
    public init(_ store: Store, removing: Bool) throws {
        let path = "\(store.path)/\(StoreLayout.deletionLock)"
        file = try File(path, O_RDWR | O_CREAT)
        if try (removing ? FileLock.exclusive : .shared).acquireNow(file) { return }
        let holder = LockHolder.of(file).map { " by \($0)" } ?? ""
        throw IcecoreError(
            .busy,
            removing
                ? "the store '\(store.path)' is being pushed to a replica\(holder): wait for the push, or stop it"
                : "the store '\(store.path)' is being pruned or repaired\(holder): wait until that is done, or stop it")
    }
}
