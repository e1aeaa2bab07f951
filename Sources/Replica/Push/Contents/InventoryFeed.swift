import Basics
import Blobs
import Glibc
import Model
import Store
import Upload

/// The files of the kept inventories of some snapshots. The manifest of one comes last: without it the rest does not count.
struct InventoryFeed {
    private let root: String
    /// Inventories that are still to come, the last first.
    private var names: [String]
    /// Files of the current one, below `inventories/`, the last first.
    private var files: [String] = []

    init(_ store: Store, _ snapshots: Set<String>) {
        root = store.inventoriesPath
        names = KeptInventory.names(store).filter { snapshots.contains($0) }.reversed()
    }

    /// The next file and its path; nil after the last.
    mutating func next() throws -> (ReplicaItem, path: String)? {
        while true {
            try Interruption.check()
            while let path = files.popLast() {
                guard let size = Files.size("\(root)/\(path)"), ReplicaFormat.isInventoryFile("inventories/\(path)")
                else { continue }
                return (.inventoryFile(path, size: size), "\(root)/\(path)")
            }
            guard let name = names.popLast() else { return nil }
            let data = (try? Files.names(in: "\(root)/\(name)/data")) ?? []
            files = ["manifest.json", "manifest.checksum", "sync.json"] + data.sorted().map { "data/\($0)" }
            files = files.map { "\(name)/\($0)" }
        }
    }

    /// What sends a file as it is now: by its MD5, so that the server can check it.
    static func payload(_ path: String, size: Int64) throws -> UploadPayload {
        let file = try File.regular(path)
        var md5 = MD5()
        var position: Int64 = 0
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
            while position < size {
                try Interruption.check()
                let piece = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[..<Int(min(Int64(buffer.count), size - position))])
                try file.read(into: piece, at: position)
                md5.update(UnsafeRawBufferPointer(piece))
                position += Int64(piece.count)
            }
        }
        return .blob(.file(path), .etag(ETag(Array(Hex.encode(md5.finalize()).utf8)), size: size), parts: nil)
    }
}
