import Basics
import Foundation
import Model
import S3
import Store

/// How to reach a replica.
public struct ReplicaOptions: Sendable {
    public var region: String?
    public var endpointURL: String?
    public var profile: String?
    public var noSignRequest = false
    /// The most requests in flight.
    public var jobs = 64
    /// Of the process.
    public var environment: [String: String]

    public init(environment: [String: String]) {
        self.environment = environment
    }
}

/// A replica as it is at one moment.
public final class Replica {
    /// What `latest.json` points to.
    struct Head {
        var latest: ReplicaFormat.Latest
        /// Of `latest.json`, to replace it by.
        var tag: String
        var metadata: ReplicaFormat.Metadata
    }

    public let url: ReplicaURL
    let storage: any ReplicaStorage
    let options: ReplicaOptions
    /// Nil in a directory.
    let client: S3Client?
    private let temporary: String
    /// Nil: there is no replica yet.
    private(set) var marker: ReplicaFormat.Marker?

    /// Opens what is at a URL; there need be nothing.
    ///
    /// - Throws: what cannot be reached, and what is there but no replica that this program can read.
    public init(_ url: ReplicaURL, _ options: ReplicaOptions) throws {
        self.url = url
        self.options = options
        temporary = FileStorage.prefix + UUID().uuidString.lowercased()
        switch url {
        case .directory(let path):
            client = nil
            storage = FileStorage(root: path, temporary: temporary)
        case .bucket(let location):
            let client = S3Client(
                try S3Configuration(
                    region: options.region, endpointURL: options.endpointURL, profile: options.profile,
                    unsigned: options.noSignRequest, environment: options.environment))
            try client.resolveCredentials()
            self.client = client
            storage = S3Storage(client, location, jobs: options.jobs)
        }
        guard let bytes = try storage.read(ReplicaFormat.markerName, limit: 1 << 20)?.bytes else { return }
        marker = try ReplicaFormat.decode(ReplicaFormat.Marker.self, bytes, place(ReplicaFormat.markerName))
    }

    /// A document or a piece in messages.
    func place(_ path: String) -> String {
        switch url {
        case .directory(let directory): "'\(directory)/\(path)'"
        case .bucket(let location): "'\(location)\(path)'"
        }
    }

    /// `latest.json`, and its tag; nil: nothing was ever pushed to the end.
    func latest() throws -> (latest: ReplicaFormat.Latest, tag: String)? {
        guard let marker else { return nil }
        guard let stored = try storage.read(ReplicaFormat.latestName, limit: 1 << 20) else { return nil }
        var latest = try ReplicaFormat.decode(
            ReplicaFormat.Latest.self, stored.bytes, place(ReplicaFormat.latestName))
        guard latest.storeId == marker.storeId, ReplicaFormat.isSnapshot(latest.snapshot),
            (0...ReplicaFormat.mostCounted).contains(latest.sequence)
        else {
            throw IcecoreError(.damaged, "\(place(ReplicaFormat.latestName)) does not belong to this replica")
        }
        latest.pushedBy = Display.text(latest.pushedBy, limit: 100)
        latest.pushedAt = Display.text(latest.pushedAt, limit: 40)
        return (latest, stored.tag)
    }

    /// What can be read of the replica now; nil: nothing was ever pushed to the end.
    func head() throws -> Head? {
        guard let (latest, tag) = try latest() else { return nil }
        let path = "\(latest.snapshot)/\(ReplicaFormat.metadataName)"
        guard let bytes = try storage.read(path, limit: ReplicaFormat.documentLimit)?.bytes else {
            throw IcecoreError(
                .damaged,
                "\(place(path)) is missing, though latest.json points to it: 'icecore push --check' from the store writes it "
                    + "anew")
        }
        guard Hex.encode(SHA256.digest(bytes)) == latest.metadataSHA256 else {
            throw IcecoreError(
                .damaged,
                "\(place(path)) is damaged, its SHA-256 is not what latest.json says: 'icecore push --check' from the store "
                    + "writes it anew")
        }
        let metadata = try ReplicaFormat.decode(ReplicaFormat.Metadata.self, bytes, place(path))
        try metadata.check(place(path))
        guard metadata.storeId == latest.storeId, metadata.path == latest.snapshot else {
            throw IcecoreError(.damaged, "\(place(path)) does not belong to this replica")
        }
        return Head(latest: latest, tag: tag, metadata: metadata)
    }

    /// The same for a push that looks at everything itself: where the newest snapshot is damaged, an empty one stands in
    /// its place.
    func headForMending(_ note: (String) -> Void) throws -> Head? {
        do {
            return try head()
        } catch let error as IcecoreError where error.code == .damaged {
            guard let (latest, tag) = try latest() else { return nil }
            note("warning: \(error): all that describes the replica is written anew")
            let configuration = StoreConfiguration(bucket: "", inventory: nil)
            return Head(
                latest: latest, tag: tag,
                metadata: ReplicaFormat.Metadata(
                    format: latest.format, storeId: latest.storeId, sequence: latest.sequence, path: latest.snapshot,
                    pushedAt: latest.pushedAt, pushedBy: latest.pushedBy, snapshots: [], pruned: [], blobs: 0,
                    blobBytes: 0, missing: 0, configuration: configuration,
                    index: ReplicaFormat.Index(size: 0, chunkSize: 1 << 20, chunks: []), manifest: nil, history: []))
        }
    }

    /// What can be read of the replica.
    ///
    /// - Throws: `notFound` where there is none.
    func existingHead() throws -> Head {
        if let head = try head() { return head }
        throw IcecoreError(
            .notFound,
            marker == nil
                ? "there is no replica at \(url): 'icecore push' makes one"
                : "the replica at \(url) is not complete: its first push has not come to its end")
    }

    /// Begins a replica of a store, or says why it cannot be one.
    func begin(for store: Store) throws -> ReplicaFormat.Marker {
        if let marker { return marker }
        let marker = ReplicaFormat.Marker(
            format: ReplicaFormat.current, replicaId: UUID().uuidString.lowercased(),
            storeId: store.configuration.storeId, createdAt: Timestamp.now().rfc3339)
        // Of two that begin at once one counts, where the server can see to that; both read which.
        let document = try ReplicaFormat.encode(marker)
        do {
            _ = try storage.exchange(ReplicaFormat.markerName, document, expecting: nil)
        } catch let error as IcecoreError where error.code == .unsupported {
            try storage.write(ReplicaFormat.markerName, document)
        }
        guard let bytes = try storage.read(ReplicaFormat.markerName, limit: 1 << 20)?.bytes else {
            throw IcecoreError(.unavailable, "\(place(ReplicaFormat.markerName)) was written and is not there")
        }
        let written = try ReplicaFormat.decode(
            ReplicaFormat.Marker.self, bytes, place(ReplicaFormat.markerName))
        self.marker = written
        return written
    }

    // MARK: - Pieces

    /// The content of a chunk of the index or of a part of the manifest, checked.
    func content(_ piece: ReplicaFormat.Piece) throws -> [UInt8] {
        guard
            let stored = try storage.read(piece.path, limit: Int(piece.size) + Int(piece.size) / 100 + 65536)
        else { throw IcecoreError(.damaged, "\(place(piece.path)) is missing") }
        let bytes = try Gzip.decompress(stored.bytes, size: piece.size, place(piece.path))
        guard Hex.encode(SHA256.digest(bytes)) == piece.sha256 else {
            throw IcecoreError(.damaged, "\(place(piece.path)) is damaged: its SHA-256 is another")
        }
        return bytes
    }

    /// Gives the name of every blob of the replica to `body`: by its manifest, or where that cannot be had, by listing.
    ///
    /// - Parameter listing: whatever there is of a manifest.
    func blobs(
        _ metadata: ReplicaFormat.Metadata, listing: Bool = false, warn: (String) -> Void,
        _ body: (String, BlobName) throws -> Void
    ) throws {
        if let manifest = metadata.manifest, !listing {
            do {
                for part in manifest.parts { try Replica.names(in: try content(part), place(part.path), body) }
                return
            } catch let error as IcecoreError where error.code == .damaged {
                warn("the manifest of the replica is of no use (\(error)): listing the blobs instead")
            }
        } else if !listing {
            warn("the replica has no manifest: listing its blobs instead")
        }
        try storage.list("blobs/") { path, size in
            guard let slash = path.lastIndex(of: "/") else { return }
            let name = String(path[path.index(after: slash)...])
            if let blob = BlobName(name), blob.size == size, ReplicaFormat.blobPath(name) == path {
                try body(name, blob)
            }
        }
    }

    /// The names in a part of a manifest: one a line, and what follows a tab is for later formats.
    private static func names(in bytes: [UInt8], _ place: String, _ body: (String, BlobName) throws -> Void) throws {
        // Line by line: a list of all lines would take many times the memory of what is in them.
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            defer { start = end + 1 }
            if start == end { continue }
            let name = String(
                decoding: bytes[start..<end].prefix { $0 != UInt8(ascii: "\t") }.prefix(200), as: UTF8.self)
            guard let blob = BlobName(name) else {
                throw IcecoreError(
                    .damaged, "\(place) is damaged: '\(Display.text(name, limit: 100))' is the name of no blob")
            }
            try body(name, blob)
        }
    }

    /// Removes what this process has left in a directory.
    func clean() {
        if let files = storage as? FileStorage { try? files.removeTemporary() }
    }
}
