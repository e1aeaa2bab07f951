import Basics
import Blobs
import Glibc
import Index
import Model
import Store

/// The small contents of a store that are files.
struct SmallBlobs {
    private let store: Store
    private let limit: Int64

    /// - Parameter limit: larger ones, and those of just this size, are left out.
    init(_ store: Store, below limit: Int64) {
        self.store = store
        self.limit = limit
    }

    /// Passes those that rows name to `body`, directory by directory and there in the order of keys: neighbours in a directory
    /// become neighbours on the disk. A content that several rows name comes several times, until its file is gone.
    func forEachNamed(
        _ reader: IndexReader, _ body: (BlobName, PartLayout?) throws -> Void
    ) throws {
        try reader.forEachContent { etag, size in
            guard size < limit else { return }
            if etag.verbatim == nil {
                let isPlain = etag.parts == 0
                let name = BlobName.etag(etag, size: size)
                if Files.size(store.blobs.path(ofName: name.file)) == size {
                    return try body(name, isPlain ? nil : try reader.blobFacts(etag: etag, size: size).parts)
                }
            }
            if let digest = try reader.blobFacts(etag: etag, size: size).sha256 {
                try body(.sha256(digest, size: size), nil)
            }
        }
    }

    /// Passes all of them to `body`, in the order of their names' first digits.
    func forEach(_ body: (BlobName) throws -> Void) throws {
        for byte in UInt8.min...UInt8.max {
            let fan = Hex.encode([byte])
            let path = "\(store.blobs.path)/\(fan)"
            guard let directory = opendir(path) else {
                if errno == ENOENT { continue }
                throw IcecoreError.system("cannot list", path, errno: errno)
            }
            defer { closedir(directory) }
            while true {
                errno = 0
                guard let entry = readdir(directory) else {
                    if errno != 0 { throw IcecoreError.system("cannot list", path, errno: errno) }
                    break
                }
                let file = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard let name = BlobName(file), name.size < limit, Blobs.fan(file) == fan else { continue }
                try Interruption.check()
                try body(name)
            }
        }
    }
}
