import Basics
import Blobs
import Glibc
import Store

/// The contents in the cache of a replica, kept to a size.
struct CachedContents {
    /// The cache.
    let store: Store
    /// The most bytes to keep, about.
    let limit: Int64

    /// Removes the least recently read contents if the cache is too large.
    func trim() throws {
        var sizes: [Int64] = []
        for byte in UInt8.min...UInt8.max {
            var size: Int64 = 0
            try forEachFile("\(store.blobs.path)/\(Hex.encode([byte]))") { _, status in
                size += Int64(status.st_blocks) * 512
            }
            sizes.append(size)
        }
        var total = sizes.reduce(0, +)
        // Packs of which some contents have come go as a whole.
        var packs: [(time: Int, path: String, size: Int64)] = []
        try store.packs.folder.forEach { name in
            let path = store.packs.folder.path(of: name)
            var status = stat()
            guard lstat(path, &status) == 0 else { return }
            packs.append((max(status.st_atim.tv_sec, status.st_mtim.tv_sec), path, Int64(status.st_blocks) * 512))
        }
        total += packs.reduce(0) { $0 + $1.size }
        var partial: [(path: String, size: Int64)] = []
        try forEachFile(store.temporaryPath) { path, status in
            // In a store, a sync may be at work there.
            guard CachedContents.isPartial(path) else { return }
            partial.append((path, Int64(status.st_blocks) * 512))
            total += Int64(status.st_blocks) * 512
        }
        guard total > limit else { return }
        // Contents that were read in part go first, unless a process is using them.
        for (path, size) in partial where !path.hasSuffix(".log") {
            guard let file = try? File(path, O_RDWR | O_NOFOLLOW),
                (try? FileLock.exclusive.acquireNow(file)) == true
            else { continue }
            try Files.remove("\(path).log")
            try Files.remove(path)
            total -= size
        }
        for pack in packs.sorted(by: { $0.time < $1.time }) where total > limit {
            try Files.remove(pack.path)
            total -= pack.size
        }
        guard total > limit else { return }
        // Each directory gives up its share, so that only one of them at a time is in memory.
        let ratio = 0.9 * Double(limit) / Double(max(1, sizes.reduce(0, +)))
        for byte in UInt8.min...UInt8.max where sizes[Int(byte)] > 0 {
            var files: [(time: Int, path: String, size: Int64)] = []
            try forEachFile("\(store.blobs.path)/\(Hex.encode([byte]))") { path, status in
                files.append(
                    (max(status.st_atim.tv_sec, status.st_mtim.tv_sec), path, Int64(status.st_blocks) * 512))
            }
            var rest = sizes[Int(byte)]
            for file in files.sorted(by: { $0.time < $1.time }) {
                if Double(rest) <= Double(sizes[Int(byte)]) * ratio { break }
                try Files.remove(file.path)
                rest -= file.size
            }
        }
    }

    private static func isPartial(_ path: String) -> Bool {
        path.split(separator: "/").last?.hasPrefix(PartialBlob.prefix) ?? false
    }

    private func forEachFile(_ directory: String, _ body: (String, stat) throws -> Void) throws {
        guard let names = try? Files.names(in: directory) else { return }
        for name in names {
            var status = stat()
            if lstat("\(directory)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG {
                try body("\(directory)/\(name)", status)
            }
        }
    }
}
