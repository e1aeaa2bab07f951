import Basics
import Blobs
import Glibc
import Index
import Merge
import Model
import Packs

// Types that work on a part of a store are opened with that part's path; these initializers take the store instead.

extension BlobRecords {
    /// The records of a store's index.
    ///
    /// - Parameter headers: where headers are recorded.
    public convenience init(_ store: Store, headers: HeaderDestination = .nowhere) throws {
        try self.init(indexPath: store.indexPath, headers: headers)
    }
}

extension BlobFlags {
    /// Begins changing the rows of a store's index.
    public convenience init(_ store: Store) throws {
        try self.init(indexPath: store.indexPath)
    }
}

extension MissingContents {
    /// Compares what the index of a store expects with its blobs.
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
    ///
    /// - Parameter keepsHeaders: headers that have come go on waiting, for further commits.
    public convenience init(_ store: Store, keepsHeaders: Bool = false) throws {
        try self.init(
            indexPath: store.indexPath, blobs: store.blobs,
            distrustsETags: store.configuration.distrustETagsSince != nil, temporary: store.temporaryPath,
            keepsHeaders: keepsHeaders)
    }
}

extension PartialBlob {
    /// Opens a content that has partly arrived in a store's `tmp/`, or begins it.
    ///
    /// - Throws: `busy` while another owner holds it.
    public convenience init(_ store: Store, etag: ETag, size: Int64) throws {
        try self.init(in: store.temporaryPath, etag: etag, size: size)
    }

    /// The path of a content while it arrives.
    public static func path(_ store: Store, etag: ETag, size: Int64) -> String {
        path(in: store.temporaryPath, etag: etag, size: size)
    }
}

extension FetchQueue {
    /// Removes what has partly arrived, is not wanted, and is nobody's at the moment.
    ///
    /// - Returns: the room then, to which belongs what wanted contents have taken already.
    public func makeRoom(_ store: Store) throws -> DiskRoom {
        let names = Set(try Files.names(in: store.temporaryPath).filter { $0.hasPrefix(PartialBlob.prefix) })
        var wanted: Set<String> = []
        if !names.isEmpty {
            try forEachContent { etag, size in
                let path = PartialBlob.path(store, etag: etag, size: size)
                if names.contains(String(path.dropFirst(store.temporaryPath.count + 1))) { wanted.insert(path) }
            }
            try PartialBlob.removeIdle(in: store.temporaryPath) { wanted.contains($0) }
        }
        store.shortenLog()
        var free = try FreeSpace(store.path)
        for path in wanted {
            var status = stat()
            if lstat(path, &status) == 0 { free.bytes = free.bytes.addingClamped(Int64(status.st_blocks) * 512) }
        }
        return DiskRoom(store.path, free)
    }

    /// What must be fetched: each content once, except those already in the store.
    ///
    /// - Parameter unit: what the size of a file is rounded up to on the store's disk.
    public func need(_ store: Store, unit: Int64) throws -> DiskNeed {
        let reader = try store.reader()
        var need = DiskNeed(unit: unit, packBelow: store.configuration.packLimit)
        // Contents come in the order of ETags, which is that of the catalogue.
        let search = try store.packs.current().map { CatalogueSearch($0) }
        try forEachContent { etag, size in
            try Interruption.check()
            if let search, etag.verbatim == nil, try store.packs.isListed(.etag(etag, size: size), search) { return }
            if try !store.has(etag: etag, size: size, reader) { need.add(size: size) }
        }
        return need
    }
}
