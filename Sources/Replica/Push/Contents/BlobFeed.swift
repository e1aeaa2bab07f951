import Basics
import Blobs
import Glibc
import Index
import Model
import Packs
import Store
import Upload

/// What a store has and its replica lacks, one after the other, in the order of the disk: first the blobs that are files, then
/// packs, and then the files of inventories.
final class BlobFeed {
    private enum FeedItem {
        case blob(BlobName, BlobPlace)
        case pack(ReplicaItem, PackName, path: String)
        case inventoryFile(ReplicaItem, path: String)

        var item: ReplicaItem {
            switch self {
            case .blob(let name, _): .blob(name)
            case .pack(let item, _, _), .inventoryFile(let item, _): item
            }
        }
    }

    private let store: Store
    private let reader: IndexReader
    private let doomed: UnnamedBlobs?
    private let known: ReplicaRecords
    private var fan = 0
    private var directory: OpaquePointer?
    private var found: [(source: FeedItem, mayExist: Bool)] = []
    private var packs: PackFeed
    private var inventories: InventoryFeed
    /// How many contents the store has and keeps, so far.
    private(set) var seen = 0
    /// How many are recorded together, in one transaction.
    private static let batch = 1000

    /// - Parameter isOwnPlace: the contents are there: only files of inventories are sent.
    init(_ store: Store, _ index: PushedIndex, _ records: ReplicaRecords, isOwnPlace: Bool = false) throws {
        self.store = store
        reader = index.reader
        doomed = index.doomed
        known = records
        packs = try PackFeed(store, isEmpty: isOwnPlace)
        if isOwnPlace { fan = 256 }
        inventories = InventoryFeed(store, Set(index.snapshots.map(\.name)))
    }

    deinit {
        if let directory { closedir(directory) }
    }

    /// Whether a pack of the store cannot be read.
    var lacksPacks: Bool { packs.lacksPacks }

    /// Has the sound contents of a pack that is damaged sent one by one.
    func breakUp(_ pack: PackName) { packs.breakUp(pack) }

    /// Whether there is more after the end: packs that turned out to be damaged.
    var hasMore: Bool { packs.hasBroken }

    /// The next one, recorded as one that may be at the replica; nil after the last.
    func next() throws -> UploadJob? {
        while true {
            if let (source, mayExist) = found.popLast() {
                var job = UploadJob(item: source.item, payload: try payload(source))
                job.mayExist = mayExist
                return job
            }
            guard try gather() else { return nil }
        }
    }

    private func payload(_ source: FeedItem) throws -> UploadPayload {
        switch source {
        case .blob(let name, let place):
            var parts: PartLayout?
            if case .etag(let etag, let size) = name, etag.parts > 0 {
                parts = try reader.blobFacts(etag: etag, size: size).parts
            }
            return .blob(place, name, parts: parts)
        case .pack(let item, let pack, let path):
            // In a few large parts: what fails is sent again from the disk.
            return .blob(.file(path), .sha256(pack.digest, size: item.size), parts: .even(PackFeed.partLength))
        case .inventoryFile(let item, let path):
            return try InventoryFeed.payload(path, size: item.size)
        }
    }

    /// Finds the next ones that the replica lacks; false at the end.
    private func gather() throws -> Bool {
        while found.count < BlobFeed.batch, let source = try nextSource() {
            let name = source.item.name
            switch try known.state(of: name) {
            case .listed, .uploaded: continue
            case .unconfirmed: found.append((source, true))
            case nil:
                try known.set(name, .unconfirmed)
                found.append((source, false))
            }
        }
        try known.commit()
        // The last is taken first.
        found.reverse()
        return !found.isEmpty
    }

    private func nextSource() throws -> FeedItem? {
        while let file = try nextName() {
            // A file without a blob's name is not the store's.
            guard let name = BlobName(file) else {
                seen += 1
                continue
            }
            if try doomed?.contains(name.file) == true { continue }
            seen += 1
            return .blob(name, .file(store.blobs.path(ofName: file)))
        }
        if let (pack, path, size, count) = try packs.next() {
            seen += count
            return .pack(.pack(pack, size: size), pack, path: path)
        }
        while let packed = try packs.nextRecord() {
            if try doomed?.contains(packed.record.name.file) == true { continue }
            return .blob(packed.record.name, .packed(packed))
        }
        return try inventories.next().map { .inventoryFile($0.0, path: $0.path) }
    }

    private func nextName() throws -> String? {
        while true {
            try Interruption.check()
            if directory == nil {
                guard fan < 256 else { return nil }
                let path = "\(store.blobs.path)/\(Hex.encode([UInt8(fan)]))"
                fan += 1
                directory = opendir(path)
                if directory == nil, errno != ENOENT { throw IcecoreError.system("cannot list", path, errno: errno) }
                continue
            }
            guard let current = directory, let entry = readdir(current) else {
                if let current = directory { closedir(current) }
                directory = nil
                continue
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            // A blob in another directory than its own does not count.
            if name.hasPrefix(".") || Int(Blobs.fan(name), radix: 16) != fan - 1 { continue }
            return name
        }
    }
}
