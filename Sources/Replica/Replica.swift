import Basics
import Foundation
import Model
import S3
import Store

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
                root: path, staging: StagingDirectory.prefix + UUID().uuidString.lowercased())
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
        return Head(latest: latest, tag: tag, metadata: metadata)
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

    /// The newest snapshot.
    ///
    /// - Throws: `notFound` if there is none.
    func existingHead() throws -> Head {
        if let head = try head() { return head }
        throw IcecoreError(
            .notFound,
            marker == nil
                ? "there is no replica at \(url): 'icecore push' makes one"
                : "the replica at \(url) is not complete: its first push has not finished")
    }

    /// Makes the place a replica of a store, unless it is a replica already.
    ///
    /// - Returns: its marker, which may name another store.
    func begin(for store: Store) throws -> ReplicaMarker {
        if let marker { return marker }
        let marker = ReplicaMarker(
            format: ReplicaFormat.current, replicaId: UUID().uuidString.lowercased(),
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

    /// Calls `body` with the name of every blob of the replica: from its manifest or, without one, from a listing.
    ///
    /// - Parameter listing: list even if there is a manifest.
    func forEachBlob(
        _ metadata: ReplicaMetadata, listing: Bool = false, warn: (String) -> Void,
        _ body: (String, BlobName) throws -> Void
    ) throws {
        if let manifest = metadata.manifest, !listing {
            do {
                for part in manifest.parts {
                    try ReplicaManifest.forEachName(in: try content(part), place(part.path), body)
                }
                return
            } catch let error as IcecoreError where error.code == .damaged {
                warn("the manifest of the replica is unusable (\(error)): listing the blobs instead")
            }
        } else if !listing {
            warn("the replica has no manifest: listing its blobs instead")
        }
        try storage.list("blobs/") { path, size in
            if let name = ReplicaFormat.blobName(path), let blob = BlobName(name), blob.size == size,
                ReplicaFormat.blobPath(name) == path
            {
                try body(name, blob)
            }
        }
    }

    /// Removes the files that this process has staged in a directory and not named.
    func removeStaging() {
        if let files = storage as? FileStorage { try? files.removeStaging() }
    }
}
