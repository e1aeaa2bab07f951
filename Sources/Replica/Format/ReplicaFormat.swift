import Basics
import Blobs
import Foundation
import Model
import Packs

/// What the documents of a replica have in common, as `docs/FORMAT-replica.md` describes it. Unknown fields are
/// ignored.
enum ReplicaFormat {
    /// That of a replica without packs.
    static let plain = 1
    /// That of a replica with packs, and the newest that this program reads.
    static let current = 2

    static let markerName = "icecore-replica.json"
    static let latestName = "latest.json"
    static let metadataName = "metadata.json"
    /// More than any of the documents needs. Decoding JSON takes about ten times as much memory.
    static let documentLimit = 24 << 20
    /// More pushes, or blobs, than there can be.
    static let mostCounted = 1 << 60

    private struct FormatField: Decodable {
        var format: Int
    }

    /// Reads a document of a format that this program knows.
    ///
    /// - Parameter place: the document's name for messages.
    static func decode<Document: Decodable>(_ type: Document.Type, _ bytes: [UInt8], _ place: String) throws -> Document
    {
        guard let format = (try? UntrustedJSON.decode(FormatField.self, from: bytes))?.format else {
            throw IcecoreError(.damaged, "\(place) is damaged, or not part of a replica")
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
            throw IcecoreError(.damaged, "\(place) lacks a required field, or has it in another form")
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

    /// The path of a chunk of the index, in the directory of a snapshot.
    static func chunkPath(_ number: Int, in directory: String) -> String {
        "\(directory)/index-\(padded(number)).gz"
    }

    /// The path of a part of the manifest, in the directory of a snapshot.
    static func manifestPath(_ number: Int, in directory: String) -> String {
        "\(directory)/blobs-\(padded(number)).gz"
    }

    /// The path of a part of the catalogue of packs, in the directory of a snapshot.
    static func cataloguePath(_ number: Int, in directory: String) -> String {
        "\(directory)/packs-\(padded(number)).gz"
    }

    /// The path of a part of the list of inventories, in the directory of a snapshot.
    static func inventoriesPath(_ number: Int, in directory: String) -> String {
        "\(directory)/inventories-\(padded(number)).gz"
    }

    private static func padded(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, 6 - text.utf8.count)) + text
    }

    /// What is behind the last `/` of a path; nil if there is none.
    static func lastName(_ path: String) -> String? {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) }
    }

    /// Whether a path that a document names is one that a push writes: a file of a snapshot, a blob, a pack, or a file of
    /// an inventory.
    static func isPath(_ path: String) -> Bool {
        if isInventoryFile(path) { return true }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, path.utf8.count <= 200 else { return false }
        if parts[0] == "packs" { return PackName(String(parts[2])).map { "packs/\($0.path)" } == path }
        if parts[0] == "blobs" {
            let name = String(parts[2])
            return BlobName(name) != nil && blobPath(name) == path
        }
        return isSnapshot(parts[0...1].joined(separator: "/")) && isName(parts[2])
    }

    /// Whether a path is that of a file of a kept inventory. Those with other names do not travel.
    static func isInventoryFile(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[0] == "inventories", path.utf8.count <= 300,
            InventoryName.isValid(String(parts[1])), isName(parts[1])
        else { return false }
        if parts.count == 3 { return ["manifest.json", "manifest.checksum", "sync.json"].contains(parts[2]) }
        return parts.count == 4 && parts[2] == "data" && isName(parts[3])
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
}
