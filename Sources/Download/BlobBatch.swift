import Basics
import Blobs
import Model
import Store

/// What has been downloaded, on its way into the store: a thread of its own writes it and makes it durable, many contents
/// at a time, while the network goes on. See ``BlobWriter`` for the order in which that happens.
final class BlobBatch {
    /// A content that is complete and checked.
    struct Finished: Sendable {
        /// The path of its temporary file; where the content is in memory, the file that it is to be written to.
        var temporary: String
        var content = ArrivedContent.file
        /// What the temporary file belongs to, where it has come in pieces: nobody else touches it before it has its name.
        var partial: PartialBlob?
        /// The blob's name.
        var name: String
        var want: Want
        /// What the ETag does not say.
        var partSize: Int64?
        var sha256: [UInt8]?
        /// JSON, or nil where there is nothing worth keeping.
        var headers: String?

        /// Gives the content the name that only its SHA-256 vouches for.
        mutating func file(under sha256: [UInt8]) {
            self.sha256 = sha256
            name = BlobName.file(sha256: sha256, size: want.size)
        }
    }

    private let queue = WriterQueue(limit: 8192)
    /// Contents that were added and that the store does not show yet.
    private var pending: Set<ContentName> = []
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
    func add(_ blob: Finished) {
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

/// One content: what it is filed under, and its size.
struct ContentName: Hashable, Sendable {
    var etag: ETag
    var size: Int64
}

extension Want {
    var content: ContentName { ContentName(etag: contentETag, size: size) }

    /// The name of the blob, where the ETag gives one.
    var contentName: String {
        BlobName.file(etag: contentETag, size: size) ?? "\(contentETag)-\(size)"
    }
}
