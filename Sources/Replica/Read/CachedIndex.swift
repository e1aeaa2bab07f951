import Basics
import Glibc
import Index
import Packs
import Store

/// The index of a replica in a cache, kept up to date with the replica.
struct CachedIndex {
    let url: ReplicaURL
    let options: ReplicaOptions
    /// Of the cache.
    let path: String
    /// An earlier push; nil: the newest.
    var push: String?

    /// `current.json`: which push the cached index is from.
    private struct CachedPush: Codable, Equatable {
        var format: Int
        var url: String
        var replicaId: String
        var metadataSHA256: String
        var snapshot: String
        /// There is a catalogue of packs.
        var hasPacks: Bool?
    }

    private var cataloguePath: String { PackFolder(path: "\(path)/packs").cataloguePath }

    /// Fetches the index if the replica has a newer one.
    func refresh(progress: (Double) -> Void) throws {
        let replica = try Replica(url, options)
        let old = (try? Files.read("\(path)/current.json", limit: 1 << 20)).flatMap {
            try? UntrustedJSON.decode(CachedPush.self, from: $0)
        }
        guard let marker = replica.marker else { _ = try replica.existingHead(); return }
        func cached(_ latest: ReplicaLatest, hasPacks: Bool?) -> CachedPush {
            CachedPush(
                format: 1, url: "\(url)", replicaId: marker.replicaId, metadataSHA256: latest.metadataSHA256,
                snapshot: latest.snapshot, hasPacks: hasPacks)
        }
        var isWhole = Files.exists("\(path)/icecore.json") && Files.exists("\(path)/index.sqlite")
        if old?.hasPacks == true, !Files.exists(cataloguePath) { isWhole = false }
        if let old, isWhole {
            // What was pushed does not change.
            if push != nil, old.url == "\(url)", old.replicaId == marker.replicaId { return }
            if push == nil, let latest = try replica.latest()?.latest, cached(latest, hasPacks: old.hasPacks) == old {
                return
            }
        }

        // Several mounts of one replica share the cache; one of them fetches.
        let lock = try File("\(path)/refresh.lock", O_RDWR | O_CREAT, mode: 0o600)
        try FileLock.exclusive.acquire(lock, to: "fetch the index of \(url) into '\(path)'", pause: 50_000)
        let head = try replica.existingHead(push)
        let (store, _) = try Store.forClone(at: path, head.metadata.configuration)
        if isWhole { try store.adopt(head.metadata.configuration) }
        try fetch(head.metadata, replica, store, progress)
        try store.adopt(head.metadata.configuration)
        let document = try ReplicaFormat.encode(
            cached(head.latest, hasPacks: head.metadata.catalogue != nil ? true : nil))
        try Files.replace("\(path)/current.json", with: document, mode: 0o600)
    }

    /// Fetches the chunks that the cache lacks, and replaces the index.
    private func fetch(
        _ metadata: ReplicaMetadata, _ replica: Replica, _ store: Store, _ progress: (Double) -> Void
    ) throws {
        let index = metadata.index
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
        try IndexCheck.refuseForeign(copy: assembled)
        // Before the index: what that says is there has to be found.
        try fetch(metadata.catalogue, chunks, replica)
        try IndexCopy.replace(store.indexPath, with: assembled)
        let needed = Set((index.chunks + (metadata.catalogue?.parts ?? [])).map(\.sha256))
        for name in try Files.names(in: chunks) where !needed.contains(name) {
            try Files.remove("\(chunks)/\(name)")
        }
    }

    /// Fetches the parts of the catalogue that the cache lacks, and makes one of all.
    private func fetch(_ catalogue: ReplicaCatalogue?, _ chunks: String, _ replica: Replica) throws {
        guard let catalogue else { return try Files.remove(cataloguePath) }
        try Files.createDirectory("\(path)/packs")
        try catalogue.assemble(at: cataloguePath) { try content($0, "\(chunks)/\($0.sha256)", replica) }
    }

    /// A chunk of the index, or a part of the catalogue, from the cache if it is there and undamaged.
    private func content(_ chunk: ReplicaPiece, _ path: String, _ replica: Replica) throws -> [UInt8] {
        guard chunk.sha256.utf8.count == 64, Hex.decode(Array(chunk.sha256.utf8)) != nil else {
            throw IcecoreError(.damaged, "\(replica.place(chunk.path)): its SHA-256 is malformed")
        }
        if let stored = try? Files.read(path, limit: Int(ReplicaPiece.largest)),
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
}
