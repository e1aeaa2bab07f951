import CFuse3
import Glibc

/// A node that is a directory: what all kinds of them have in common.
protocol DirectoryNode: NodeOperations {
    var id: UInt64 { get }

    /// The view that the directory belongs to, that of `versions/` for one that belongs to none; nil once it is gone.
    func view(_ worker: RequestWorker) throws -> CurrentView?

    /// Whether the mount shows a directory of this id.
    func isShown(_ worker: RequestWorker) throws -> Bool

    /// Adds the entries after a position, `.` and `..` not among them; false where there is no room for the rest.
    func list(
        _ listing: inout DirectoryListing, after position: Int64, _ current: CurrentView, _ worker: RequestWorker
    ) throws -> Bool
}

extension DirectoryNode {
    func view(_ worker: RequestWorker) throws -> CurrentView? { try worker.view(ViewTable.versions) }

    func getattr(_ request: Request, _ worker: RequestWorker) throws {
        guard let current = try view(worker) else { return worker.fail(request, ESTALE) }
        var status = stat()
        worker.fill(&status, directory: id, current.time)
        fuse_reply_attr(request, &status, worker.files.directoryTimeout(id, current.source))
    }

    func lookupSelf(_ request: Request, _ worker: RequestWorker) throws {
        guard try isShown(worker), let current = try view(worker) else { return worker.fail(request, ESTALE) }
        worker.reply(request, directory: id, current)
    }

    func isShown(_ worker: RequestWorker) throws -> Bool { true }

    func read(count: Int, offset: Int64, _ request: Request, _ worker: RequestWorker) { worker.fail(request, EISDIR) }

    func readdir(
        _ listing: inout DirectoryListing, after position: Int64, _ request: Request, _ worker: RequestWorker
    ) throws {
        guard let current = try view(worker) else { return worker.fail(request, ESTALE) }
        if position == DirectoryListing.Position.end { return listing.reply() }
        // Never given out: nothing follows it.
        if position < 0 { return worker.fail(request, EINVAL) }
        if listing.isPlus {
            let thread = fuse_req_ctx(request).pointee.pid
            if position == DirectoryListing.Position.start {
                listing.hasAttributes = worker.files.habits.withLock { $0.list(thread) }
            } else if worker.files.hasPacks {
                // Here the kernel does not decide.
                (listing.hasAttributes, listing.knowsSmallFiles) = worker.files.habits.withLock { $0.goOn(thread) }
            }
        }
        guard addDots(&listing, after: position, current, worker) else { return listing.reply() }
        if try list(&listing, after: position, current, worker) { listing.markEnd() }
        listing.reply()
    }

    /// Adds `.` and `..`; false where there is no room.
    private func addDots(
        _ listing: inout DirectoryListing, after position: Int64, _ current: CurrentView, _ worker: RequestWorker
    ) -> Bool {
        var entry = worker.entry(directory: id, current)
        entry.ino = 0
        if position < DirectoryListing.Position.dot, !listing.add(".", &entry, DirectoryListing.Position.dot) {
            return false
        }
        // The inode number of ".." does not matter: the kernel knows the parent.
        return position >= DirectoryListing.Position.dotdot
            || listing.add("..", &entry, DirectoryListing.Position.dotdot)
    }

    /// The name in the index at which a listing of a directory's rows ended; empty for the beginning of the rows, nil
    /// for a row that is gone.
    func resume(_ directory: Int64, after position: Int64, _ worker: RequestWorker) throws -> [UInt8]? {
        if position <= DirectoryListing.Position.rows { return [] }
        if let name = worker.files.resumePoints.name(id, at: position) { return name }
        // The caller took only a part of the newest batch, or the position was forgotten: look for the slot.
        let slot = DirectoryListing.Position.slot(position)
        if let start = worker.files.resumePoints.newestBatch(id),
            let name = try worker.name(ofSlot: slot, in: directory, from: start, limit: 4096)
        {
            return name
        }
        return try worker.nodes.row(slot: slot, in: directory) { Array($0.name) }
    }
}
