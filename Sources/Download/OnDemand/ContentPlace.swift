import Basics
import Blobs
import Glibc
import Model
import Store

/// Where a content arrives that is read while it is not in the store: in the store, so that it is there the next time; in
/// memory, where the store's disk has no room for it, or cannot be written to.
struct ContentPlace {
    private let store: Store
    private let restore: () throws -> Void
    private let log: (String) -> Void

    /// - Parameter restore: makes the store's directories again if they are gone.
    init(_ store: Store, restore: @escaping () throws -> Void, log: @escaping (String) -> Void) {
        (self.store, self.restore, self.log) = (store, restore, log)
    }

    /// - Parameter mayKeep: false once the store has been found to have no room for it.
    func open(_ want: FetchRequest, mayKeep: Bool) throws -> PartialBlob {
        guard mayKeep else { return try PartialBlob(inMemory: want.size) }
        do {
            guard hasRoom(for: want) else {
                throw IcecoreError(.noSpace, "the disk of '\(store.path)' is nearly full")
            }
            return try inStore(want)
        } catch let error as IcecoreError where ContentPlace.isAboutStore(error) {
            log("\(error): what is read is fetched from the bucket each time, and is not kept")
            return try PartialBlob(inMemory: want.size)
        }
    }

    private func inStore(_ want: FetchRequest) throws -> PartialBlob {
        do {
            return try existing(want)
        } catch let error as IcecoreError where error.errno == ENOENT {
            try restore()
            return try existing(want)
        }
    }

    private func existing(_ want: FetchRequest) throws -> PartialBlob {
        do {
            return try PartialBlob(store, etag: want.contentETag, size: want.size)
        } catch let error as IcecoreError where error.code == .busy {
            // A sync or another mount has it. Instead of waiting for that, fetch what is read, and do not keep it.
            return try PartialBlob(
                privateAt: "\(store.temporaryPath)/mount-\(getpid())-\(UInt64.random(in: 0 ... .max))", size: want.size)
        }
    }

    /// Whether the content fits, and leaves room for others. What was noted of it earlier has its room.
    private func hasRoom(for want: FetchRequest) -> Bool {
        // What is wrong with the directory is found out by using it.
        guard let room = try? FreeSpace(store.temporaryPath) else { return true }
        var status = stat()
        let path = PartialBlob.path(store, etag: want.contentETag, size: want.size)
        let taken = lstat(path, &status) == 0 ? Int64(status.st_blocks) * 512 : 0
        return (room.files ?? .max) > 1 && room.bytes - max(0, want.size - taken) >= room.reserve
    }

    /// Whether it is the store's disk that fails, and not the source.
    static func isAboutStore(_ error: IcecoreError) -> Bool {
        error.code == .noSpace || [EROFS, EACCES, EPERM, EFBIG, EIO].contains(error.errno)
    }
}
