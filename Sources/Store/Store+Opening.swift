import Basics
import Blobs
import Index
import Merge
import Model

// What works on a part of a store is opened with that part's path: below, by the store that it belongs to.

extension BlobRecords {
    /// The records of a store's index.
    public convenience init(_ store: Store) throws {
        try self.init(indexPath: store.indexPath)
    }
}

extension BlobFlags {
    /// Begins to change the rows of a store's index.
    public convenience init(_ store: Store) throws {
        try self.init(indexPath: store.indexPath)
    }
}

extension MissingContents {
    /// What the index of a store expects, against its blobs.
    public convenience init(_ store: Store, _ reader: IndexReader) throws {
        try self.init(store.blobs, reader)
    }
}

extension IndexCheck {
    /// A check of the index of a store.
    public convenience init(_ store: Store) {
        self.init(indexPath: store.indexPath)
    }
}

extension IndexWriter {
    /// Begins the transaction of a sync in the index of a store.
    public convenience init(_ store: Store) throws {
        try self.init(
            indexPath: store.indexPath, blobs: store.blobs,
            distrustsETags: store.configuration.distrustETagsSince != nil)
    }
}

extension PartialBlob {
    /// Opens what there is of a content in a store's `tmp/`, or begins it.
    ///
    /// - Throws: `busy` while another process is fetching it.
    public convenience init(_ store: Store, etag: ETag, size: Int64) throws {
        try self.init(in: store.temporaryPath, etag: etag, size: size)
    }

    /// Where the bytes of a content are while they arrive.
    public static func path(_ store: Store, etag: ETag, size: Int64) -> String {
        path(in: store.temporaryPath, etag: etag, size: size)
    }
}

extension FetchQueue {
    /// How many bytes have to be fetched: each content once, and none that is in the store already.
    public func bytesToFetch(_ store: Store) throws -> Int64 {
        let reader = try store.reader()
        var total: Int64 = 0
        try forEachContent { etag, size in
            if try store.blob(etag: etag, size: size, reader) == nil { total = total.addingClamped(size) }
        }
        return total
    }
}
