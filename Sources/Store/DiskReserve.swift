import Basics
import Blobs
import Glibc
import SQLite

/// Room that a store keeps for the day on which its disk is full: a file that a prune gives up at its beginning, because
/// it has to write what it changes before it can remove anything.
public struct DiskReserve {
    private let store: Store
    private var path: String { "\(store.path)/\(StoreLayout.reserve)" }
    private static let least: Int64 = 1 << 20
    private static let most: Int64 = 1 << 30

    public init(_ store: Store) {
        self.store = store
    }

    /// Enough to change an eighth of the index, with what SQLite needs for that, and to write another catalogue of packs.
    private var size: Int64 {
        let catalogue = Files.size(store.packs.folder.cataloguePath) ?? 0
        let wanted = (Files.size(store.indexPath) ?? 0) / 8 + catalogue
        return max(DiskReserve.least, min(DiskReserve.most, wanted / DiskReserve.least * DiskReserve.least))
    }

    /// Makes or enlarges the reserve where there is plenty of room. Without one, all works as long as the disk is not full,
    /// so that nothing is made of a failure.
    ///
    /// - Parameter share: the reserve may take one part in so many of what is free.
    public func fill(share: Int64 = 16) {
        let size = self.size
        if let present = Files.size(path), present >= size { return }
        guard let room = try? FreeSpace(store.path), room.bytes / share >= size else { return }
        guard let file = try? File(path, O_RDWR | O_CREAT | O_NOFOLLOW) else { return }
        let descriptor = file.descriptor
        // A file system that promises no blocks keeps no reserve.
        if (try? Files.allocate(size, in: descriptor)) == nil { unlink(path) }
    }

    /// Gives up the reserve.
    public func release() throws {
        try Files.remove(path)
    }
}

extension Store {
    /// Whether the disk is so full that the index can hardly be written.
    package var isOutOfRoom: Bool {
        guard let room = try? FreeSpace(path) else { return false }
        return room.bytes < min(1 << 20, room.total / 100) || (room.files ?? .max) < 8
    }

    /// Removes from a full disk what can be fetched again, and what a killed process has left of a transaction.
    package func makeRoom() throws {
        guard isOutOfRoom else { return }
        try PartialBlob.removeIdle(in: temporaryPath)
        shortenLog()
    }

    /// Empties the index's write-ahead log, unless somebody reads from it.
    package func shortenLog() {
        guard (Files.size("\(indexPath)-wal") ?? 0) > 0, let index = try? Connection(indexPath, readOnly: false) else {
            return
        }
        index.busyTimeout(milliseconds: 0)
        try? index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    }
}
