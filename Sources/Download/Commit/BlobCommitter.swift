import Basics
import Index
import Model
import Store

/// Turns contents that are complete and checked into blobs. This is the only way into `blobs/` for a download, and for what
/// is taken from elsewhere on the disk.
///
/// An fsync for each small file would limit a download to a few hundred objects a second. So the network's thread only
/// queues contents (``WriterQueue``), and another thread (``BlobWriter``) commits them in batches: 1,024 contents, 256 MiB,
/// or whatever has come within two seconds. A batch is committed in this order:
///
/// 1. *Data.* A content that is in memory is written to a file without a name (`O_TMPFILE`) in the directory in which it
///    will have one; others are in `tmp/` already. One `syncfs` makes the data of the batch durable, and with it the names
///    of the batch before.
/// 2. *Records.* What the index has to know (part size, SHA-256, headers) is committed, and what a lost index must not
///    take with it is appended to `blobs.facts` (``FactKeeper``), so that no blob is without its facts. The blobs whose
///    names have become durable are counted.
/// 3. *Names.* Each file is linked or renamed to its name, never over a file that is there.
/// 4. *News.* The network's thread learns which contents the store has now, and lets go of them.
///
/// A content that goes into a pack (``PackAppender``) is appended to it once what the index has to know of it is recorded, and
/// is durable there with its batch. It counts as one without a name until the catalogue lists its pack.
///
/// Thus a blob with a name is always whole, whenever the process is killed or the power fails. A name that was not durable
/// yet may be lost: then the content is fetched again. The last names are made durable by ``finish()``, or once nothing
/// has come for two seconds.
package final class BlobCommitter {
    private let queue = WriterQueue(limit: 8192)
    /// Contents that were added and have no name yet.
    private var pending: Set<ContentKey> = []
    private var isOpen = true
    /// Called when there are new blobs, and records of them.
    var recorded: () throws -> Void = {}

    /// - Parameters:
    ///   - headers: where those go that come with contents.
    ///   - keepsFacts: what ETags do not say is kept beside the blobs, too.
    ///   - small: what becomes of small contents, if the store wants them in packs.
    package init(
        _ store: Store, headers: HeaderDestination, keepsFacts: Bool = true, small: SmallContents
    ) throws {
        try BlobWriter(
            store, queue, headers, keepsFacts: keepsFacts, packs: small == .packs ? PackAppender(store) : nil,
            loose: small == .noted ? LooseNotes(store) : nil
        ).start()
    }

    /// What becomes of small contents in a store with packs.
    package enum SmallContents {
        /// Files, whatever the store wants.
        case files
        /// Only for the holder of the store's lock.
        case packs
        /// Files at first: they are noted for somebody who has the lock.
        case noted
    }

    deinit {
        close()
    }

    /// Calls `call`, on any thread, when there is room again or the writer has ended.
    package func notify(_ call: @escaping @Sendable () -> Void) {
        queue.notify(call)
    }

    /// Whether so much is queued that nothing more should be fetched for now.
    package var isFull: Bool { queue.isFull }

    /// The number of contents that were added and have no name yet.
    var pendingCount: Int { pending.count }

    /// Whether a content was added and has no name yet.
    func isPending(_ want: FetchRequest) -> Bool {
        isPending(want.content)
    }

    /// Whether a content was added and has no name yet.
    package func isPending(_ content: ContentKey) -> Bool {
        pending.contains(content)
    }

    /// Takes in what the writer has reported.
    ///
    /// - Throws: the error that ended the writer.
    package func check() throws {
        guard let news = queue.takeNews() else { return }
        for content in news.visible { pending.remove(content) }
        if let error = news.error { throw error }
        if news.hasRecords { try recorded() }
    }

    /// Queues a content for the next batch.
    package func add(_ blob: CheckedContent) {
        pending.insert(blob.want.content)
        queue.send(.blob(blob))
    }

    /// Queues the record of a version's headers.
    func add(_ want: FetchRequest, _ headers: ObjectHeaders, isComplete: Bool) {
        queue.send(.headers(want, headers, isComplete: isComplete))
    }

    /// Queues the record of an object that could not be fetched.
    func add(_ want: FetchRequest, _ failure: FetchFailure, reason: String) {
        queue.send(.failure(want, failure, reason: reason))
    }

    /// Makes everything durable, including names and records, and packs part of the store. Nothing can be added afterwards.
    package func finish() throws {
        close()
        try check()
    }

    private func close() {
        guard isOpen else { return }
        isOpen = false
        queue.close()
    }
}
