import Basics
import Blobs
import Glibc
import Index
import Model
import Packs

/// The blobs of a store, counted by their names, and what its packs have. Sums that are only added to drift: files vanish, and
/// indexes are lost.
public struct BlobCensus: Sendable {
    public private(set) var blobs: Int64 = 0
    public private(set) var bytes: Int64 = 0
    /// Of those, what lies in packs.
    public let packed: PackedContents

    /// Lists `blobs/`, and reads the catalogue of packs.
    ///
    /// - Parameter leavingOut: names of files in `blobs/` that do not count.
    public init(_ store: Store, leavingOut: Set<String> = []) throws {
        _ = try store.packs.refresh()
        packed = try PackedContents(store)
        for byte in UInt8.min...UInt8.max {
            try count(fan: Hex.encode([byte]), store, leavingOut)
        }
        try countPacked(store)
        // What prunes have doomed no longer counts, whether it stays in a pack or a stopped one did not come to it.
        guard Files.exists(store.indexPath) else { return }
        try store.reader().doomedBlobs { name, size in
            let isFile = !leavingOut.contains(name) && Files.size(store.blobs.path(ofName: name)) != nil
            guard try isFile || BlobName(name).flatMap({ try store.packs.find($0) }) != nil else { return }
            blobs -= 1
            bytes -= size
        }
    }

    private mutating func countPacked(_ store: Store) throws {
        guard let catalogue = try store.packs.current() else { return }
        // One that is damaged or has vanished is for `verify`.
        for name in catalogue.packs.values {
            guard let pack = try? PackFile(path: store.packs.folder.path(of: name)) else { continue }
            blobs += Int64(pack.count)
            bytes = bytes.addingClamped(pack.contentBytes)
        }
        let cursor = catalogue.entries()
        var entries: [PackEntry] = []
        while let entry = try cursor.read() {
            if let first = entries.first, first.key != entry.key {
                try countOnce(entries, catalogue, store)
                entries.removeAll(keepingCapacity: true)
            }
            entries.append(entry)
        }
        try countOnce(entries, catalogue, store)
    }

    /// Counts a content that is in several packs once.
    private mutating func countOnce(_ entries: [PackEntry], _ catalogue: PackCatalogue, _ store: Store) throws {
        guard entries.count > 1 else { return }
        var names: Set<BlobName> = []
        for entry in entries {
            guard let packName = catalogue.packs[entry.pack], let pack = try store.packs.pack(packName),
                let name = try pack.record(of: entry)?.name, !names.insert(name).inserted
            else { continue }
            blobs -= 1
            bytes -= name.size
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
            // What is in a pack as well counts there.
            if try store.packs.find(blob) != nil { continue }
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
