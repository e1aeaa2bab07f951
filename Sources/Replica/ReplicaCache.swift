import Basics
import Download
import Foundation
import Glibc
import Index
import S3
import Store
import Synchronization

/// A replica as a reader's machine opens it: its index in a local cache, contents fetched when they are read.
///
/// The cache is a directory shaped like a store. Everything in it can be had again; it can be deleted while no mount uses it.
public final class ReplicaCache: @unchecked Sendable {
    // Set once; `refresh` and `trim` belong to one thread at a time.

    /// The cache as a store to read from.
    public let store: Store
    private let url: ReplicaURL
    private let options: ReplicaOptions
    private let limit: Int64
    private let facts: ReplicaFacts?

    /// What `current.json` says: which push the index is from.
    private struct Current: Codable, Equatable {
        var format: Int
        var url: String
        var replicaId: String
        var metadataSHA256: String
        var snapshot: String
    }

    /// - Parameters:
    ///   - parent: where caches are; nil: `$XDG_CACHE_HOME/icecore`, or `~/.cache/icecore`.
    ///   - limit: the most bytes of contents to keep, about.
    ///   - isOffline: the replica is not asked: what the cache has is shown.
    ///   - note: told remarks for people.
    public init(
        _ url: ReplicaURL, _ options: ReplicaOptions, in parent: String?, limit: Int64, isOffline: Bool,
        note: (String) -> Void, progress: (Double) -> Void
    ) throws {
        self.url = url
        self.options = options
        self.limit = limit
        let path = try ReplicaCache.path(url, options, parent)
        if isOffline {
            guard Files.exists("\(path)/icecore.json") else {
                throw IcecoreError(.notFound, "nothing of \(url) is in the cache yet: open it once without --offline")
            }
            try ReplicaCache.refuseOthers(path)
        } else {
            try Files.createDirectories(path, mode: 0o700)
            try ReplicaCache.refuseOthers(path)
            try ReplicaCache.refresh(path, url, options, note: note, progress: progress)
        }
        var store = try Store(path: path)
        if case .directory(let root) = url {
            store.blobsPath = "\(root)/blobs"
            facts = nil
        } else {
            facts = ReplicaFacts(store.indexPath)
        }
        self.store = store
    }

    /// Where contents come from; nil: they are all at hand.
    public var origin: ContentOrigin? {
        guard case .bucket(let location) = url, let facts else { return nil }
        return .replica(location, facts: { try facts.of($0) })
    }

    /// Whether contents can be fetched.
    public var hasContents: Bool { origin != nil }

    /// How to reach them.
    public func client() throws -> S3Client {
        S3Client(
            try S3Configuration(
                region: options.region, endpointURL: options.endpointURL, profile: options.profile,
                unsigned: options.noSignRequest, environment: options.environment))
    }

    /// Fetches the index if there is a newer one, and keeps the contents within their limit.
    public func refresh() throws {
        try ReplicaCache.refresh(store.path, url, options, note: { _ in }, progress: { _ in })
        try trim()
    }

    private static func path(_ url: ReplicaURL, _ options: ReplicaOptions, _ parent: String?) throws -> String {
        let environment = options.environment
        let base: String
        if let parent {
            guard !parent.isEmpty else { throw IcecoreError(.usage, "--cache needs the name of a directory") }
            base = Files.absolute(parent)
        } else if let cache = environment["XDG_CACHE_HOME"], cache.hasPrefix("/") {
            base = "\(cache)/icecore"
        } else if let home = environment["HOME"], home.hasPrefix("/") {
            base = "\(home)/.cache/icecore"
        } else {
            throw IcecoreError(.usage, "there is no place for a cache: set HOME, or give --cache DIRECTORY")
        }
        let endpoint =
            options.endpointURL ?? environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"] ?? ""
        let name = Hex.encode(SHA256.digest(Array("\(url)\n\(endpoint)".utf8)).prefix(16))
        return "\(base)/\(name)"
    }

    /// In a directory that others may write to, links could be planted.
    private static func refuseOthers(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o022 == 0
        else {
            throw IcecoreError(
                .forbidden,
                "the cache '\(path)' belongs to somebody else, or others may write to it: give another place with --cache"
            )
        }
    }

    // MARK: - The index

    private static func refresh(
        _ path: String, _ url: ReplicaURL, _ options: ReplicaOptions, note: (String) -> Void,
        progress: (Double) -> Void
    ) throws {
        let replica = try Replica(url, options)
        let old = (try? Files.read("\(path)/current.json", limit: 1 << 20)).flatMap {
            try? UntrustedJSON.decode(Current.self, from: $0)
        }
        guard let marker = replica.marker else { _ = try replica.existingHead(); return }
        func current(_ latest: ReplicaFormat.Latest) -> Current {
            Current(
                format: 1, url: "\(url)", replicaId: marker.replicaId, metadataSHA256: latest.metadataSHA256,
                snapshot: latest.snapshot)
        }
        let isWhole = Files.exists("\(path)/icecore.json") && Files.exists("\(path)/index.sqlite")
        if let old, isWhole, let latest = try replica.latest()?.latest, current(latest) == old { return }

        // Several mounts of one replica share the cache: one of them fetches.
        let lock = try File("\(path)/refresh.lock", O_RDWR | O_CREAT, mode: 0o600)
        try FileLock.exclusive.acquire(lock, pause: 50_000)
        let head = try replica.existingHead()
        let (store, _) = try Store.forClone(at: path, head.metadata.configuration)
        if isWhole { try store.adopt(head.metadata.configuration) }
        try fetch(head.metadata.index, replica, store, progress)
        try store.adopt(head.metadata.configuration)
        let document = try ReplicaFormat.encode(current(head.latest))
        try Files.replace("\(path)/current.json", with: document, mode: 0o600)
    }

    /// Fetches the chunks that the cache lacks, and puts the whole in the place of the index.
    private static func fetch(
        _ index: ReplicaFormat.Index, _ replica: Replica, _ store: Store, _ progress: (Double) -> Void
    ) throws {
        let chunks = "\(store.path)/chunks"
        try Files.createDirectory(chunks, mode: 0o700)
        let assembled = "\(store.path)/index.assembled"
        try Files.remove(assembled)
        defer { unlink(assembled) }
        let file = try File(assembled, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        for (number, chunk) in index.chunks.enumerated() {
            try Interruption.check()
            let bytes = try content(chunk, "\(chunks)/\(chunk.sha256)", replica)
            try bytes.withUnsafeBytes { try file.write($0, at: Int64(number) * index.chunkSize) }
            progress(Double(number + 1) / Double(index.chunks.count))
        }
        try file.close()
        try IndexCheck.refuseForeignSchema(copy: assembled)
        try IndexCopy.replace(store.indexPath, with: assembled)
        let needed = Set(index.chunks.map(\.sha256))
        for name in try Files.names(in: chunks) where !needed.contains(name) {
            try Files.remove("\(chunks)/\(name)")
        }
    }

    /// A chunk of the index, from the cache if it is there and what it should be.
    private static func content(_ chunk: ReplicaFormat.Piece, _ path: String, _ replica: Replica) throws -> [UInt8] {
        guard chunk.sha256.utf8.count == 64, Hex.decode(Array(chunk.sha256.utf8)) != nil else {
            throw IcecoreError(.damaged, "\(replica.place(chunk.path)): its SHA-256 is none")
        }
        if let stored = try? Files.read(path, limit: Int(ReplicaFormat.largestPiece)),
            let bytes = try? Gzip.decompress(stored, size: chunk.size, path),
            Hex.encode(SHA256.digest(bytes)) == chunk.sha256
        {
            return bytes
        }
        let bytes = try replica.content(chunk)
        let temporary = "\(path).new"
        try Files.remove(temporary)
        let file = try File(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        let packed = try bytes.withUnsafeBytes { try Gzip.compress($0) }
        try packed.withUnsafeBytes { try file.write($0) }
        try file.close()
        try Files.rename(temporary, path)
        return bytes
    }

    // MARK: - The contents

    /// Removes the contents that were not read for the longest time, where there are too many.
    func trim() throws {
        guard case .bucket = url else { return }
        var sizes: [Int64] = []
        for byte in UInt8.min...UInt8.max {
            var size: Int64 = 0
            try eachFile("\(store.blobs.path)/\(Hex.encode([byte]))") { _, status in
                size += Int64(status.st_blocks) * 512
            }
            sizes.append(size)
        }
        var total = sizes.reduce(0, +)
        var partial: [(path: String, size: Int64)] = []
        try eachFile(store.temporaryPath) { path, status in
            partial.append((path, Int64(status.st_blocks) * 512))
            total += Int64(status.st_blocks) * 512
        }
        guard total > limit else { return }
        // What was read in part goes first, unless somebody is at it.
        for (path, size) in partial where !path.hasSuffix(".log") {
            guard let file = try? File(path, O_RDWR | O_NOFOLLOW),
                (try? FileLock.exclusive.acquireNow(file)) == true
            else { continue }
            try Files.remove("\(path).log")
            try Files.remove(path)
            total -= size
        }
        guard total > limit else { return }
        // Each directory gives its share, so that no more than one of them is in memory.
        let ratio = 0.9 * Double(limit) / Double(max(1, sizes.reduce(0, +)))
        for byte in UInt8.min...UInt8.max where sizes[Int(byte)] > 0 {
            var files: [(time: Int, path: String, size: Int64)] = []
            try eachFile("\(store.blobs.path)/\(Hex.encode([byte]))") { path, status in
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

    private func eachFile(_ directory: String, _ body: (String, stat) throws -> Void) throws {
        guard let names = try? Files.names(in: directory) else { return }
        for name in names {
            var status = stat()
            if lstat("\(directory)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG {
                try body("\(directory)/\(name)", status)
            }
        }
    }
}
