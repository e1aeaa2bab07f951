import Basics
import Blobs
import Foundation
import Index
import Model
import S3
import Store

/// The documents of a replica, as `docs/FORMAT.md` describes them. Fields that a reader does not know are ignored.
public enum ReplicaFormat {
    /// The format that this program writes, and the newest that it reads.
    public static let current = 1

    static let markerName = "icecore-replica.json"
    static let latestName = "latest.json"
    static let metadataName = "metadata.json"
    /// More than any of these documents can need; read as JSON, it takes some ten times as much memory.
    static let documentLimit = 24 << 20

    /// `icecore-replica.json`: what this is, and whose.
    struct Marker: Codable, Equatable {
        var format: Int
        /// Made up when the replica began: another one at the same place is another replica.
        var replicaId: String
        var storeId: String
        var createdAt: String
    }

    /// `latest.json`: the one thing that ever changes.
    struct Latest: Codable, Equatable {
        var format: Int
        var storeId: String
        /// Counts the pushes.
        var sequence: Int
        /// Where the snapshot is: `snapshots/<name>`.
        var snapshot: String
        /// Of its `metadata.json`, in hexadecimal digits.
        var metadataSHA256: String
        var pushedAt: String
        var pushedBy: String
    }

    /// A file of the replica, with what it holds.
    public struct Piece: Codable, Equatable, Sendable {
        /// From the replica's root; in the directory of this snapshot or of an earlier one.
        public var path: String
        /// Of what is compressed in it.
        public var sha256: String
        /// Bytes of what is compressed in it.
        public var size: Int64
        /// Names in it, for a part of the manifest.
        public var count: Int?
    }

    struct Index: Codable, Equatable {
        var size: Int64
        /// What all chunks but the last hold.
        var chunkSize: Int64
        var chunks: [Piece]
    }

    struct Manifest: Codable, Equatable {
        var parts: [Piece]
    }

    /// A synced inventory that the index holds.
    public struct SnapshotSummary: Codable, Equatable, Sendable {
        public var name: String
        public var takenAt: String
        public var keys: Int64
        public var bytes: Int64
    }

    /// Something that no snapshot names any more, and since when.
    struct Retired: Codable, Equatable {
        var paths: [String]
        var since: String
        /// Set when whoever retired it goes on to delete it.
        var deletingSince: String?
    }

    /// `metadata.json`: all of one push.
    struct Metadata: Codable, Equatable {
        var format: Int
        var storeId: String
        var sequence: Int
        var path: String
        var pushedAt: String
        var pushedBy: String
        /// Snapshots that can be opened, oldest first, and the names of those that a prune has dropped.
        var snapshots: [SnapshotSummary]
        var pruned: [String]
        var blobs: Int64
        var blobBytes: Int64
        /// Blobs that the store expected and did not have.
        var missing: Int64
        /// The store's `icecore.json`.
        var configuration: StoreConfiguration
        var index: Index
        /// Nil where it could not be written.
        var manifest: Manifest?
        /// Directories of earlier snapshots that are still there, oldest first.
        var history: [String]
        var retired: [Retired]?
    }

    private struct Format: Decodable {
        var format: Int
    }

    /// Reads a document, of a format that this program knows.
    ///
    /// - Parameter place: the document's name for messages.
    static func decode<Document: Decodable>(_ type: Document.Type, _ bytes: [UInt8], _ place: String) throws -> Document
    {
        guard let format = (try? UntrustedJSON.decode(Format.self, from: bytes))?.format else {
            throw IcecoreError(.damaged, "\(place) is damaged, or no part of a replica")
        }
        if format > current {
            throw IcecoreError(
                .unsupported,
                "\(place): the replica has format \(format), this icecore reads formats up to \(current): "
                    + "install a newer icecore")
        }
        do {
            return try UntrustedJSON.decode(type, from: bytes)
        } catch {
            throw IcecoreError(.damaged, "\(place) lacks what it must have, or has it in another form")
        }
    }

    static func encode(_ document: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(document)) + [UInt8(ascii: "\n")]
    }

    /// The path of a blob in a replica: as in a store.
    static func blobPath(_ name: String) -> String {
        "blobs/\(Blobs.fan(name))/\(name)"
    }

    /// Whether a path that a document names is one that a push makes: a file of a snapshot, or a blob.
    static func isPath(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, path.utf8.count <= 200 else { return false }
        if parts[0] == "blobs" {
            let name = String(parts[2])
            return BlobName(name) != nil && blobPath(name) == path
        }
        return isSnapshot(parts[0...1].joined(separator: "/")) && isName(parts[2])
    }

    /// Whether a path that a document names is the directory of a snapshot.
    static func isSnapshot(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2 && parts[0] == "snapshots" && path.utf8.count <= 100 && isName(parts[1])
    }

    private static func isName(_ name: Substring) -> Bool {
        !name.isEmpty && !name.hasPrefix(".")
            && name.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (97...122).contains(byte) || (65...90).contains(byte)
                    || [45, 46, 95].contains(byte)
            }
    }

    /// More pushes, or blobs, than there can be.
    static let mostCounted = 1 << 60
}

extension ReplicaFormat.Metadata {
    /// Every file that this snapshot needs, or will see to.
    var paths: Set<String> {
        Set(index.chunks.map(\.path) + (manifest?.parts ?? []).map(\.path) + (retired ?? []).flatMap(\.paths))
    }

    /// Refuses what would lead out of the replica, or make a reader take more than there can be.
    func check(_ place: String) throws {
        let pieces = index.chunks + (manifest?.parts ?? [])
        let paths = pieces.map(\.path) + (retired ?? []).flatMap(\.paths)
        let bad =
            paths.first { !ReplicaFormat.isPath($0) } ?? (history + [path]).first { !ReplicaFormat.isSnapshot($0) }
        if let bad {
            throw IcecoreError(.damaged, "\(place) names '\(Display.text(bad, limit: 200))', which no push makes")
        }
        let counts = [Int64(sequence), blobs, blobBytes, missing]
        guard counts.allSatisfy({ (0...Int64(ReplicaFormat.mostCounted)).contains($0) }) else {
            throw IcecoreError(.damaged, "\(place) counts what cannot be counted")
        }
        guard configuration.storeId == storeId else {
            throw IcecoreError(.damaged, "\(place): the configuration in it is that of another store")
        }
        guard configuration.format <= StoreConfiguration.newestFormat else {
            throw IcecoreError(
                .unsupported,
                "\(place): the store that was pushed has format \(configuration.format), this icecore reads formats up to "
                    + "\(StoreConfiguration.newestFormat): install a newer icecore")
        }
        var total: Int64 = 0
        for (number, chunk) in index.chunks.enumerated() {
            let isLast = number == index.chunks.count - 1
            guard chunk.size > 0, chunk.size <= ReplicaFormat.largestPiece,
                isLast ? chunk.size <= index.chunkSize : chunk.size == index.chunkSize
            else { throw IcecoreError(.damaged, "\(place): the chunks of the index do not fit together") }
            total = total.addingClamped(chunk.size)
        }
        guard total == index.size else {
            throw IcecoreError(.damaged, "\(place): the chunks of the index do not fit together")
        }
        for part in manifest?.parts ?? [] where part.size < 0 || part.size > ReplicaFormat.largestPiece {
            throw IcecoreError(.damaged, "\(place): a part of the manifest is too large")
        }
    }
}

extension ReplicaFormat {
    /// The most bytes of a chunk of the index or a part of the manifest, uncompressed.
    static let largestPiece: Int64 = 64 << 20
}
