import Basics
import Glibc
import Store

/// Makes downloads durable many at a time: the data first, then what the index has to know of it, then the name.
///
/// One syncfs covers the data of a batch and the names of the batch before, so that no small file costs an fsync.
final class BlobBatch {
    /// A content that is complete and checked, under its temporary name.
    struct Finished {
        var temporary: String
        /// A file that belongs to it, and goes when the content has its name.
        var log: String?
        /// The blob's name.
        var name: String
        var want: Want
        /// What the ETag does not say.
        var partSize: Int64?
        var sha256: [UInt8]?
        /// JSON, or nil where there is nothing worth keeping.
        var headers: String?
    }

    private let store: Store
    private let records: BlobRecords
    private let directory: File
    private var finished: [Finished] = []
    private var bytes: Int64 = 0
    private var began: Timestamp?
    /// Names that were given but are not durable yet.
    private var named: [Finished] = []
    private var newBlobs = 0
    private var newBytes: Int64 = 0
    /// The contents in `finished` and `named`, by what their ETags say.
    private var pending: Set<String> = []
    /// Called when records of blobs have become visible.
    var recorded: () throws -> Void = {}

    init(_ store: Store) throws {
        self.store = store
        records = try BlobRecords(store)
        directory = try File(store.blobs.path, O_RDONLY | O_DIRECTORY)
    }

    /// Whether a content was added that the store does not show yet.
    func isPending(_ want: Want) -> Bool {
        pending.contains(want.contentName)
    }

    /// Adds a content; now and then all of them are made durable.
    func add(_ blob: Finished) throws {
        if began == nil { began = .now() }
        finished.append(blob)
        pending.insert(blob.want.contentName)
        bytes += blob.want.size
        let age = Timestamp.now().milliseconds - (began ?? .now()).milliseconds
        if finished.count >= 1024 || bytes >= 256 << 20 || age > 5000 { try flush() }
    }

    /// Records that an object could not be had.
    func add(_ want: Want, isGone: Bool, reason: String) throws {
        try records.add(want, isGone: isGone, reason: reason)
    }

    /// Makes everything durable, names and records too.
    func finish() throws {
        try flush()
        if !named.isEmpty {
            try synchronize()
            try namesAreDurable()
        }
        try records.commit()
    }

    private func flush() throws {
        guard !finished.isEmpty else { return }
        try synchronize()
        try namesAreDurable()
        // What belongs to a blob is known before the blob has its name: a kill in between must not lose it.
        for blob in finished {
            if blob.partSize != nil || blob.sha256 != nil {
                try records.add(
                    etag: blob.want.etag, size: blob.want.size, partSize: blob.partSize, sha256: blob.sha256)
            }
            if let headers = blob.headers { try records.add(headers: headers, of: blob.want) }
        }
        try records.commit()
        for blob in finished { try name(blob) }
        named = finished
        finished.removeAll(keepingCapacity: true)
        bytes = 0
        began = nil
    }

    /// Gives a content its name.
    private func name(_ blob: Finished) throws {
        let path = store.blobs.path(ofName: blob.name)
        var status = link(blob.temporary, path)
        if status != 0, errno == ENOENT {
            // A copy of a store may lack directories that were empty.
            try Files.createDirectory(Files.directory(of: path))
            status = link(blob.temporary, path)
        }
        if status != 0, errno == EEXIST, Files.size(path) != blob.want.size {
            // Whatever it is, it is not this content.
            try Files.rename(path, "\(store.quarantinePath)/\(blob.name)")
            status = link(blob.temporary, path)
        }
        if status == 0 {
            newBlobs += 1
            newBytes += blob.want.size
        } else if errno != EEXIST {
            throw IcecoreError.system("cannot create", path, errno: errno)
        }
        // What is there already is the same content: a blob is never written twice.
        try Files.remove(blob.temporary)
        if let log = blob.log { try Files.remove(log) }
    }

    private func synchronize() throws {
        try Files.synchronizeFileSystem(directory)
    }

    /// The names of `named` are durable now.
    private func namesAreDurable() throws {
        guard !named.isEmpty else { return }
        try records.count(blobs: newBlobs, bytes: newBytes)
        newBlobs = 0
        newBytes = 0
        try records.commit()
        for blob in named { pending.remove(blob.want.contentName) }
        named.removeAll(keepingCapacity: true)
        try recorded()
    }
}

extension Want {
    /// One content, one name: what its ETag and its size say.
    var contentName: String {
        Blobs.name(etag: etag, size: size) ?? "\(etag)-\(size)"
    }
}
