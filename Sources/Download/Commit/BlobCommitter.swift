import Basics
import Store

/// What has been downloaded, on its way into the store: a thread of its own writes it and makes it durable, many contents
/// at a time, while the network goes on. See ``BlobWriter`` for the order in which that happens.
final class BlobCommitter {
    private let queue = WriterQueue(limit: 8192)
    /// Contents that were added and that the store does not show yet.
    private var pending: Set<ContentKey> = []
    private var isOpen = true
    /// Called when records of blobs have become visible.
    var recorded: () throws -> Void = {}

    init(_ store: Store) throws {
        try BlobWriter(store, queue).start()
    }

    deinit {
        close()
    }

    /// Has `call` called, on any thread, when there is room again, or the writer has come to its end.
    func notify(_ call: @escaping @Sendable () -> Void) {
        queue.notify(call)
    }

    /// Whether so much waits to be written that nothing more should be fetched for now.
    var isFull: Bool { queue.isFull }

    /// How many contents were added that the store does not show yet.
    var pendingCount: Int { pending.count }

    /// Whether a content was added that the store does not show yet.
    func isPending(_ want: Want) -> Bool {
        pending.contains(want.content)
    }

    /// Hears what the writer has done.
    ///
    /// - Throws: the error that the writer ended with.
    func check() throws {
        guard let news = queue.takeNews() else { return }
        for content in news.visible { pending.remove(content) }
        if let error = news.error { throw error }
        if !news.visible.isEmpty { try recorded() }
    }

    /// Adds a content; now and then all of them are made durable.
    func add(_ blob: CheckedContent) {
        pending.insert(blob.want.content)
        queue.send(.blob(blob))
    }

    /// Records that an object could not be had.
    func add(_ want: Want, isGone: Bool, reason: String) {
        queue.send(.failure(want, isGone: isGone, reason: reason))
    }

    /// Makes everything durable, names and records too; nothing can be added afterwards.
    func finish() throws {
        close()
        try check()
    }

    private func close() {
        guard isOpen else { return }
        isOpen = false
        queue.close()
    }
}
