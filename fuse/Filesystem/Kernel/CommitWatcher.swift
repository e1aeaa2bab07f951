import Basics
import CFuse3
import Glibc
import Index
import Model
import Synchronization

/// The thread that looks for commits: it makes the workers read the new state, lets go of old ones, and tells the
/// kernel what it may have kept in vain. It never serves a request, so it can wait for those that do.
final class CommitWatcher: @unchecked Sendable {
    /// How often the index is looked at.
    static let interval: useconds_t = 250_000
    /// How long a state of the index may be kept from being checkpointed, in looks.
    static let renewal = 240

    private let files: FileSystem
    private let workers: [RequestWorker]
    private let session: OpaquePointer
    private let watch: CommitWatch
    private let reader: IndexReader
    private var version: Int64
    private var points: [Timeline.Point]
    private var looks = 0

    init(_ files: FileSystem, _ workers: [RequestWorker], _ session: OpaquePointer) throws {
        self.files = files
        self.workers = workers
        self.session = session
        watch = try CommitWatch(path: files.store.indexPath)
        // In this order: a commit in between is seen as new.
        version = try watch.dataVersion()
        reader = try files.store.reader()
        points = reader.timeline.points
        reader.end()
        files.knowledge.store(points.count, ordering: .relaxed)
    }

    /// One look at the index.
    func look() throws {
        looks += 1
        for node in files.distrusted.takeAll() { fuse_lowlevel_notify_inval_inode(session, node, 0, 0) }
        let newest = try watch.dataVersion()
        if newest != version {
            version = newest
            try moveOn()
        } else if looks % CommitWatcher.renewal == 0 {
            for worker in workers { worker.rest() }
        }
    }

    private func moveOn() throws {
        try reader.begin()
        let known = reader.timeline.points
        reader.end()
        // The index is a function of the set of snapshots: what else a sync commits on its way changes no view.
        let isNew = known != points
        points = known
        if isNew { files.knowledge.add(1, ordering: .relaxed) }
        files.generation.add(1, ordering: .releasing)
        // Once each worker was idle for a moment, the kernel has every answer from older states.
        for worker in workers { worker.rest() }
        if isNew { invalidate() }
    }

    /// Makes the kernel look up all names again, and ask for the directories that it may have kept.
    private func invalidate() {
        let directories = files.knownDirectories.takeAll()
        if files.kernel.hasEpochs {
            // struct fuse_out_header: length, FUSE_NOTIFY_INC_EPOCH, and no request's number. libfuse has no call for
            // it.
            var header: (UInt32, Int32, UInt64) = (16, 8, 0)
            if write(fuse_session_fd(session), &header, 16) != 16 {
                files.log.write("cannot tell the kernel of a new snapshot: \(String(cString: strerror(errno)))")
            }
        }
        fuse_lowlevel_notify_inval_inode(session, Node.rootId, 0, 0)
        for node in directories where node != Node.rootId {
            // One that the kernel has forgotten is ENOENT: just as well.
            fuse_lowlevel_notify_inval_inode(session, node, 0, 0)
        }
    }
}
