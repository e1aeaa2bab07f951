import Basics
import Foundation
import S3
import Store
import Upload

/// A replica, wherever it is stored.
public final class Replica {
    /// What `latest.json` points to.
    struct Head {
        var latest: ReplicaLatest
        /// Of `latest.json`, for replacing it.
        var tag: String
        var metadata: ReplicaMetadata
    }

    public let url: ReplicaURL
    let storage: any ReplicaStorage
    let options: ReplicaOptions
    /// Nil: the replica is in a directory.
    let client: S3Client?
    /// Nil: there is no replica here yet.
    private(set) var marker: ReplicaMarker?

    /// Opens the replica at a URL, which may not exist yet.
    ///
    /// - Throws: if the place cannot be reached, or has something that this program cannot read as a replica.
    public init(_ url: ReplicaURL, _ options: ReplicaOptions) throws {
        self.url = url
        self.options = options
        switch url {
        case .directory(let path):
            client = nil
            storage = FileStorage(
                root: path, staging: StagingDirectory.prefix + UUID().uuidString.lowercased(),
                limitRate: options.limitRate)
        case .bucket(let location):
            let client = try options.client()
            try client.resolveCredentials()
            self.client = client
            storage = S3Storage(ReplicaBucket(client: client, location: location, jobs: options.jobs))
        }
        guard let bytes = try storage.read(ReplicaFormat.markerName, limit: 1 << 20)?.bytes else { return }
        marker = try ReplicaFormat.decode(ReplicaMarker.self, bytes, place(ReplicaFormat.markerName))
    }

    /// A path of the replica, for messages.
    func place(_ path: String) -> String {
        switch url {
        case .directory(let directory): "'\(directory)/\(path)'"
        case .bucket(let location): "'\(location)\(path)'"
        }
    }

    /// `latest.json`, and its tag; nil: no push was ever completed.
    func latest() throws -> (latest: ReplicaLatest, tag: String)? {
        guard let marker else { return nil }
        guard let stored = try storage.read(ReplicaFormat.latestName, limit: 1 << 20) else { return nil }
        var latest = try ReplicaFormat.decode(
            ReplicaLatest.self, stored.bytes, place(ReplicaFormat.latestName))
        guard latest.storeId == marker.storeId, ReplicaFormat.isSnapshot(latest.snapshot),
            (0...ReplicaFormat.mostCounted).contains(latest.sequence)
        else {
            throw IcecoreError(.damaged, "\(place(ReplicaFormat.latestName)) does not belong to this replica")
        }
        latest.pushedBy = Display.text(latest.pushedBy, limit: 100)
        latest.pushedAt = Display.text(latest.pushedAt, limit: 40)
        return (latest, stored.tag)
    }

    /// The newest snapshot; nil: no push was ever completed.
    func head() throws -> Head? {
        guard let (latest, tag) = try latest() else { return nil }
        let metadata = try metadata(latest)
        return Head(latest: latest, tag: tag, metadata: metadata)
    }

    /// What `latest.json` points to.
    private func metadata(_ latest: ReplicaLatest) throws -> ReplicaMetadata {
        let path = "\(latest.snapshot)/\(ReplicaFormat.metadataName)"
        guard let bytes = try storage.read(path, limit: ReplicaFormat.documentLimit)?.bytes else {
            throw IcecoreError(
                .damaged,
                "\(place(path)) is missing, though latest.json points to it: 'icecore push --check' from the store "
                    + "rewrites it")
        }
        guard Hex.encode(SHA256.digest(bytes)) == latest.metadataSHA256 else {
            throw IcecoreError(
                .damaged,
                "\(place(path)) is damaged, its SHA-256 is not what latest.json says: 'icecore push --check' from the "
                    + "store rewrites it")
        }
        let metadata = try ReplicaFormat.decode(ReplicaMetadata.self, bytes, place(path))
        try metadata.check(place(path))
        guard metadata.storeId == latest.storeId, metadata.path == latest.snapshot else {
            throw IcecoreError(.damaged, "\(place(path)) does not belong to this replica")
        }
        return metadata
    }

    /// The newest snapshot for a push that checks everything itself: where it is damaged, an empty one takes its place.
    func headForRepair(_ note: (String) -> Void) throws -> Head? {
        do {
            return try head()
        } catch let error as IcecoreError where error.code == .damaged {
            guard let (latest, tag) = try latest() else { return nil }
            note("warning: \(error): rewriting everything that describes the replica")
            let configuration = StoreConfiguration(bucket: "", inventory: nil)
            return Head(
                latest: latest, tag: tag,
                metadata: ReplicaMetadata(
                    format: latest.format, storeId: latest.storeId, sequence: latest.sequence, path: latest.snapshot,
                    pushedAt: latest.pushedAt, pushedBy: latest.pushedBy, snapshots: [], pruned: [], blobs: 0,
                    blobBytes: 0, missing: 0, configuration: configuration,
                    index: ChunkedIndex(size: 0, chunkSize: 1 << 20, chunks: []), manifest: nil, history: []))
        }
    }

    /// The newest snapshot, or that of an earlier push.
    ///
    /// - Parameter push: the name of its directory, or its number; nil: the newest.
    /// - Throws: `notFound` if there is none.
    func existingHead(_ push: String? = nil) throws -> Head {
        if let head = try head() { return try push.map { try earlier($0, head) } ?? head }
        throw IcecoreError(
            .notFound,
            marker == nil
                ? "there is no replica at \(url): 'icecore push' makes one"
                : "the replica at \(url) is not complete: its first push has not finished")
    }

    /// Makes the place a replica of a store, unless it is a replica already.
    ///
    /// - Parameter format: of a new one. That of a store's own place has the id that the store has chosen.
    /// - Returns: its marker, which may name another store.
    func begin(for store: Store, format: Int) throws -> ReplicaMarker {
        if let marker { return marker }
        let marker = ReplicaMarker(
            format: format, replicaId: store.configuration.objectStore?.replicaId ?? UUID().uuidString.lowercased(),
            storeId: store.configuration.storeId, createdAt: Timestamp.now().rfc3339)
        // Of two pushes that begin at once, one wins if the server has conditional writes; both read which.
        let document = try ReplicaFormat.encode(marker)
        do {
            _ = try storage.exchange(ReplicaFormat.markerName, document, expecting: nil)
        } catch let error as IcecoreError where error.code == .unsupported {
            try storage.write(ReplicaFormat.markerName, document)
        }
        guard let bytes = try storage.read(ReplicaFormat.markerName, limit: 1 << 20)?.bytes else {
            throw IcecoreError(.unavailable, "\(place(ReplicaFormat.markerName)) was written but is not there")
        }
        let written = try ReplicaFormat.decode(
            ReplicaMarker.self, bytes, place(ReplicaFormat.markerName))
        self.marker = written
        return written
    }

    // MARK: - Pieces

    /// The content of a chunk of the index or of a part of the manifest, checked.
    func content(_ piece: ReplicaPiece) throws -> [UInt8] {
        guard
            let stored = try storage.read(piece.path, limit: Int(piece.size) + Int(piece.size) / 100 + 65536)
        else { throw IcecoreError(.damaged, "\(place(piece.path)) is missing") }
        let bytes = try Gzip.decompress(stored.bytes, size: piece.size, place(piece.path))
        guard Hex.encode(SHA256.digest(bytes)) == piece.sha256 else {
            throw IcecoreError(.damaged, "\(place(piece.path)) is damaged: its SHA-256 does not match")
        }
        return bytes
    }

    /// Calls `body` with every blob, every pack and every file of an inventory of the replica: from its lists or, without
    /// them, from a listing.
    ///
    /// - Parameter listing: list even if there are lists.
    func forEachItem(
        _ metadata: ReplicaMetadata, listing: Bool = false, warn: (String) -> Void,
        _ body: (ReplicaItem) throws -> Void
    ) throws {
        var folders = ["blobs/", "packs/", "inventories/"]
        if !listing {
            if try forEachItem(metadata.manifest, ("manifest", "blobs"), warn: warn, body) { folders.removeFirst(2) }
            if try metadata.inventories == nil
                || forEachItem(metadata.inventories, ("list of inventories", "inventories"), warn: warn, body)
            {
                folders.removeLast()
            }
        }
        for folder in folders {
            try storage.list(folder) { path, size in
                if let item = ReplicaItem(path: path, size: size) { try body(item) }
            }
        }
    }

    /// - Returns: whether the list could be read.
    private func forEachItem(
        _ list: ReplicaManifest?, _ title: (list: String, things: String),
        warn: (String) -> Void, _ body: (ReplicaItem) throws -> Void
    ) throws -> Bool {
        guard let list else {
            warn("the replica has no \(title.list): listing its \(title.things) instead")
            return false
        }
        do {
            for part in list.parts { try ReplicaManifest.forEachName(in: try content(part), place(part.path), body) }
            return true
        } catch let error as IcecoreError where error.code == .damaged {
            warn("the \(title.list) of the replica is unusable (\(error)): listing the \(title.things) instead")
            return false
        }
    }

    /// What is wrong with a pack of a replica in a directory, all of which is read; nil: nothing, or it is in a bucket.
    func problem(of item: ReplicaItem) throws -> String? {
        guard case .directory(let root) = url, case .pack(let pack, let size) = item else { return nil }
        return try BlobCopy.problem(.file("\(root)/\(item.path)"), .sha256(pack.digest, size: size), parts: nil)
    }

    /// Removes the files that this process has staged in a directory and not named.
    func removeStaging() {
        if let files = storage as? FileStorage { try? files.removeStaging() }
    }
}
