import Basics
import Blobs
import Glibc
import Index
import Model

/// The blobs of a store, counted by their names. Sums that are only added to drift: files vanish, and indexes are lost.
public struct BlobCensus: Sendable {
    public private(set) var blobs: Int64 = 0
    public private(set) var bytes: Int64 = 0

    /// Lists `blobs/`.
    ///
    /// - Parameter leavingOut: names of blobs that do not count.
    public init(_ store: Store, leavingOut: Set<String> = []) throws {
        for byte in UInt8.min...UInt8.max {
            try count(fan: Hex.encode([byte]), store, leavingOut)
        }
        // What a stopped prune was about to remove no longer counts; the next one removes it.
        guard Files.exists(store.indexPath) else { return }
        try store.reader().doomedBlobs { name, size in
            guard !leavingOut.contains(name), Files.size(store.blobs.path(ofName: name)) != nil else { return }
            blobs -= 1
            bytes -= size
        }
    }

    private mutating func count(fan: String, _ store: Store, _ leavingOut: Set<String>) throws {
        let path = "\(store.blobs.path)/\(fan)"
        guard let directory = opendir(path) else {
            if errno == ENOENT { return }
            throw IcecoreError.system("cannot list", path, errno: errno)
        }
        defer { closedir(directory) }
        while true {
            errno = 0
            guard let entry = readdir(directory) else { break }
            let type = Int32(entry.pointee.d_type)
            guard type == Int32(DT_REG) || type == Int32(DT_UNKNOWN) else { continue }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let blob = BlobName(name), Blobs.fan(name) == fan, !leavingOut.contains(name) else { continue }
            blobs += 1
            bytes = bytes.addingClamped(blob.size)
            if blobs & 0xFFF == 0 { try Interruption.check() }
        }
        if errno != 0 { throw IcecoreError.system("cannot list", path, errno: errno) }
    }

    /// Writes the sums to a store's index.
    public func record(in store: Store) throws {
        let records = try BlobRecords(store)
        try records.set(blobs: blobs, bytes: bytes)
        try records.commit()
    }
}
