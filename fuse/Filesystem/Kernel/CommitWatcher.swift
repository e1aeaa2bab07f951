import Basics
import CFuse3
import Glibc
import Index
import Model
import Synchronization

/// Looks for commits on a thread of its own: makes the workers read the new state, releases old ones, and tells the
/// kernel what it may have cached of them. The thread never serves a request, so it can wait for those that do.
final class CommitWatcher: @unchecked Sendable {
    /// How often to look at the index, in microseconds.
    static let interval: useconds_t = 250_000
    /// After how many looks without a commit the workers release their state of the index, which keeps the write-ahead
    /// log from being checkpointed.
    static let renewal = 240

    private let files: FileSystem
    private let workers: [RequestWorker]
    private let session: OpaquePointer
    private var watch: CommitWatch
    private var reader: IndexReader
    private var version: Int64
    private var points: [Timeline.Point]
    private var looks = 0
    private var isReplacementKnown = false

    init(_ files: FileSystem, _ workers: [RequestWorker], _ session: OpaquePointer) throws {
        self.files = files
        self.workers = workers
        self.session = session
        watch = try CommitWatch(path: files.store.indexPath)
        // In this order, so that a commit in between is seen as new.
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
        if looks % 4 == 0, reader.isReplaced { try replace() }
        let newest = try watch.dataVersion()
        if newest != version {
            version = newest
            if try reader.isOutdated {
                // A newer program has brought the index to its format: what was prepared before sees less of it.
                reader = try files.store.reader()
                files.openings.add(1, ordering: .releasing)
            }
            try advance()
        } else if looks % CommitWatcher.renewal == 0 {
            for worker in workers { worker.rest() }
            files.openBlobs.expire()
        }
    }

    /// Another file has the name of the index.
    private func replace() throws {
        guard files.isCache else {
            if !isReplacementKnown {
                files.log.write(
                    "the index of the store was replaced: this mount shows the old one until it is mounted again")
            }
            isReplacementKnown = true
            return
        }
        let opened = try files.store.reader()
        // It is there, and still empty.
        if opened.timeline.newest == nil { return }
        opened.end()
        watch = try CommitWatch(path: files.store.indexPath)
        version = try watch.dataVersion()
        reader = opened
        files.openings.add(1, ordering: .releasing)
        try advance()
    }

    private func advance() throws {
        try reader.begin()
        let known = reader.timeline.points
        reader.end()
        // The index is a function of the set of snapshots: a sync's other commits change no view.
        let isNew = known != points
        points = known
        if isNew { files.knowledge.add(1, ordering: .relaxed) }
        files.generation.add(1, ordering: .releasing)
        // Once each worker has been idle for a moment, the kernel has received every answer from older states.
        for worker in workers { worker.rest() }
        if isNew { invalidate() }
    }

    /// Makes the kernel look up all names again, and drop the directories that it may have cached.
    private func invalidate() {
        let directories = files.knownDirectories.takeAll()
        if files.kernel.hasEpochs {
            // struct fuse_out_header: length, FUSE_NOTIFY_INC_EPOCH, and no request's number. libfuse has no function
            // for it.
            var header: (UInt32, Int32, UInt64) = (16, 8, 0)
            if write(fuse_session_fd(session), &header, 16) != 16 {
                files.log.write("cannot tell the kernel of a new snapshot: \(String(cString: strerror(errno)))")
            }
        }
        fuse_lowlevel_notify_inval_inode(session, Node.rootId, 0, 0)
        for node in directories where node != Node.rootId {
            // ENOENT for one that the kernel has forgotten is fine.
            fuse_lowlevel_notify_inval_inode(session, node, 0, 0)
        }
    }
}
