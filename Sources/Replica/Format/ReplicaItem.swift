import Basics
import Blobs
import Model
import Packs

/// What a replica has at a path of its own, and its lists name: a content, a pack, or a file of a kept inventory.
enum ReplicaItem: Hashable, Sendable {
    case blob(BlobName)
    case pack(PackName, size: Int64)
    /// By its path below `inventories/`.
    case inventoryFile(String, size: Int64)

    /// Reads the name that lists have for it; nil for anything else.
    init?(_ name: String) {
        if name.hasPrefix("p-") {
            let words = name.dropFirst(2).split(separator: "-", omittingEmptySubsequences: false)
            guard words.count == 2, let pack = PackName(String(words[0])), let size = ReplicaItem.size(words[1]) else {
                return nil
            }
            self = .pack(pack, size: size)
        } else if name.hasPrefix("i-") {
            let rest = name.dropFirst(2)
            guard let dash = rest.firstIndex(of: "-"), let size = ReplicaItem.size(rest[..<dash]),
                case let path = String(rest[rest.index(after: dash)...]),
                ReplicaFormat.isInventoryFile("inventories/\(path)")
            else { return nil }
            self = .inventoryFile(path, size: size)
        } else {
            guard let blob = BlobName(name) else { return nil }
            self = .blob(blob)
        }
    }

    /// What is at a path of a replica; nil for anything but such an item.
    init?(path: String, size: Int64) {
        if path.hasPrefix("blobs/") {
            guard let name = ReplicaFormat.lastName(path), let blob = BlobName(name), blob.size == size else {
                return nil
            }
            self = .blob(blob)
        } else if path.hasPrefix("packs/") {
            guard let pack = ReplicaFormat.lastName(path).flatMap({ PackName($0) }) else { return nil }
            self = .pack(pack, size: size)
        } else {
            guard ReplicaFormat.isInventoryFile(path) else { return nil }
            self = .inventoryFile(String(path.dropFirst("inventories/".utf8.count)), size: size)
        }
        // One thing, one path.
        guard self.path == path else { return nil }
    }

    private static func size(_ digits: Substring) -> Int64? {
        guard let size = Int64(digits), size >= 0, String(size) == digits else { return nil }
        return size
    }

    /// What lists call it.
    var name: String {
        switch self {
        case .blob(let blob): blob.file
        case .pack(let pack, let size): "p-\(pack)-\(size)"
        case .inventoryFile(let path, let size): "i-\(size)-\(path)"
        }
    }

    var path: String {
        switch self {
        case .blob(let blob): ReplicaFormat.blobPath(blob.file)
        case .pack(let pack, _): "packs/\(pack.path)"
        case .inventoryFile(let path, _): "inventories/\(path)"
        }
    }

    /// In bytes.
    var size: Int64 {
        switch self {
        case .blob(let blob): blob.size
        case .pack(_, let size), .inventoryFile(_, let size): size
        }
    }

    var pack: PackName? {
        if case .pack(let pack, _) = self { return pack }
        return nil
    }

    var isInventoryFile: Bool {
        if case .inventoryFile = self { return true }
        return false
    }
}
