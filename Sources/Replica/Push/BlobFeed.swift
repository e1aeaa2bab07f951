import Basics
import Blobs
import Glibc
import Index
import Model
import Packs
import Store
import Upload

/// The blobs of a store that its replica lacks, one after the other, in the order of the disk: first those that are files,
/// then those in packs.
final class BlobFeed {
    private let store: Store
    private let reader: IndexReader
    private let doomed: UnnamedBlobs?
    private let known: ReplicaRecords
    private var fan = 0
    private var directory: OpaquePointer?
    private var found: [(place: BlobPlace, name: BlobName, mayExist: Bool)] = []
    private var packs: [PackName]?
    /// What is left of the current pack, the last first, and the pack.
    private var records: [PackRecord] = []
    private var pack: PackFile?
    /// How many blobs the store has, so far.
    private(set) var seen = 0
    /// How many are recorded together, in one transaction.
    private static let batch = 1000

    init(_ store: Store, _ index: PushedIndex, _ records: ReplicaRecords) {
        self.store = store
        reader = index.reader
        doomed = index.doomed
        known = records
    }

    deinit {
        if let directory { closedir(directory) }
    }

    /// The next blob, recorded as one that may be at the replica; nil after the last.
    func next() throws -> UploadJob? {
        while true {
            if let (place, name, mayExist) = found.popLast() {
                var parts: PartLayout?
                if case .etag(let etag, let size) = name, etag.parts > 0 {
                    parts = try reader.blobFacts(etag: etag, size: size).parts
                }
                return UploadJob(
                    path: ReplicaFormat.blobPath(name.file), payload: .blob(place, name, parts: parts),
                    mayExist: mayExist)
            }
            guard try gather() else { return nil }
        }
    }

    /// Finds the next blobs that the replica lacks; false at the end.
    private func gather() throws -> Bool {
        while found.count < BlobFeed.batch, let (place, name) = try nextBlob() {
            if try doomed?.contains(name.file) == true { continue }
            seen += 1
            switch try known.state(of: name.file) {
            case .listed, .uploaded: continue
            case .unconfirmed: found.append((place, name, true))
            case nil:
                try known.set(name.file, .unconfirmed)
                found.append((place, name, false))
            }
        }
        try known.commit()
        return !found.isEmpty
    }

    private func nextBlob() throws -> (BlobPlace, BlobName)? {
        while let file = try nextName() {
            // A file without a blob's name is not the store's.
            if let name = BlobName(file) { return (.file(store.blobs.path(ofName: file)), name) }
            seen += 1
        }
        while true {
            if let record = records.popLast() {
                guard let pack else { continue }
                return (.packed(PackedBlob(pack: pack, record: record)), record.name)
            }
            if packs == nil {
                packs = (try store.packs.current()?.packs ?? [:]).sorted { $0.key > $1.key }.map(\.value)
            }
            guard let next = packs?.popLast() else { return nil }
            // What is damaged or has vanished, 'verify' finds.
            guard let file = try? PackFile(path: store.packs.folder.path(of: next)) else { continue }
            pack = file
            try file.forEachRecord { records.append($0) }
            records.reverse()
        }
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
