import Basics
import Blobs
import Glibc
import Index
import Model
import Store
import Upload

/// The blobs of a store that its replica lacks, one after the other, in the order of the disk.
final class BlobFeed {
    private let store: Store
    private let reader: IndexReader
    private let records: ReplicaRecords
    private var fan = 0
    private var directory: OpaquePointer?
    private var found: [(name: String, mayExist: Bool)] = []
    /// How many blobs the store has, so far.
    private(set) var seen = 0
    /// How many are recorded together, in one transaction.
    private static let batch = 1000

    init(_ store: Store, _ reader: IndexReader, _ records: ReplicaRecords) {
        self.store = store
        self.reader = reader
        self.records = records
    }

    deinit {
        if let directory { closedir(directory) }
    }

    /// The next blob, recorded as one that may be at the replica; nil after the last.
    func next() throws -> UploadJob? {
        while true {
            if let (name, mayExist) = found.popLast() {
                guard let blob = BlobName(name) else { continue }
                var parts: PartLayout?
                if case .etag(let etag, let size) = blob, etag.parts > 0 {
                    parts = try reader.blobFacts(etag: etag, size: size).parts
                }
                return UploadJob(
                    path: ReplicaFormat.blobPath(name),
                    payload: .blob(file: store.blobs.path(ofName: name), blob, parts: parts),
                    mayExist: mayExist)
            }
            guard try gather() else { return nil }
        }
    }

    /// Finds the next blobs that the replica lacks; false at the end.
    private func gather() throws -> Bool {
        while found.count < BlobFeed.batch, let name = try nextName() {
            seen += 1
            switch try records.state(of: name) {
            case .listed, .uploaded: continue
            case .unconfirmed: found.append((name, true))
            case nil:
                // A file without a blob's name is not the store's.
                guard BlobName(name) != nil else { continue }
                try records.set(name, .unconfirmed)
                found.append((name, false))
            }
        }
        try records.commit()
        return !found.isEmpty
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
