import Basics
import Blobs
import Glibc
import Index
import Model
import Packs

/// The contents of a store, counted by the names of files and by what packs say of themselves. Sums that are only added to
/// drift: files vanish, and indexes are lost.
///
/// A content that is both a file and in a pack counts once; one that is in two packs counts twice.
public struct BlobCensus: Sendable {
    public private(set) var blobs: Int64 = 0
    public private(set) var bytes: Int64 = 0

    /// Of those, what lies in packs.
    public let packed: PackedContents
    private var catalogue: PackCatalogue?

    /// Lists `blobs/`, and opens every pack.
    ///
    /// - Parameter leavingOut: names of files that do not count.
    public init(_ store: Store, leavingOut: Set<String> = []) throws {
        _ = try store.packs.refresh()
        catalogue = try store.packs.current()
        packed = try PackedContents(store)
        blobs = packed.contents
        bytes = packed.contentBytes
        for byte in UInt8.min...UInt8.max {
            try count(fan: Hex.encode([byte]), store, leavingOut)
        }
        // What a stopped prune was about to remove no longer counts; the next one removes it.
        guard Files.exists(store.indexPath) else { return }
        try store.reader().doomedBlobs { name, size in
            guard !leavingOut.contains(name), let blob = BlobName(name),
                try Files.size(store.blobs.path(ofName: name)) != nil || isPacked(blob)
            else { return }
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
            guard let blob = BlobName(name), Blobs.fan(name) == fan, !leavingOut.contains(name),
                try !isPacked(blob)
            else { continue }
            blobs += 1
            bytes = bytes.addingClamped(blob.size)
            if blobs & 0xFFF == 0 { try Interruption.check() }
        }
        if errno != 0 { throw IcecoreError.system("cannot list", path, errno: errno) }
    }

    private func isPacked(_ blob: BlobName) throws -> Bool {
        guard let catalogue, let key = PackKey(blob) else { return false }
        return try catalogue.has(key)
    }

    /// Writes the sums to a store's index.
    public func record(in store: Store) throws {
        let records = try BlobRecords(store)
        try records.set(blobs: blobs, bytes: bytes)
        try records.commit()
    }
}
