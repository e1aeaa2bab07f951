import Basics
import S3
import Store

/// `metadata.json`: everything about one push.
struct ReplicaMetadata: Codable, Equatable {
    /// A synced inventory that the index holds.
    struct PushedSnapshot: Codable, Equatable, Sendable {
        var name: String
        var takenAt: String
        var keys: Int64
        var bytes: Int64
    }

    var format: Int
    var storeId: String
    var sequence: Int
    /// Its own directory: `snapshots/<name>`.
    var path: String
    var pushedAt: String
    var pushedBy: String
    /// Snapshots that can be opened, oldest first.
    var snapshots: [PushedSnapshot]
    /// Names of snapshots that a prune has dropped.
    var pruned: [String]
    var blobs: Int64
    var blobBytes: Int64
    /// Blobs that the store expected and did not have.
    var missing: Int64
    /// The store's `icecore.json`.
    var configuration: StoreConfiguration
    var index: ChunkedIndex
    /// Nil: it could not be written.
    var manifest: ReplicaManifest?
    /// Nil: the replica has no packs.
    var catalogue: ReplicaCatalogue?
    /// The files of the kept inventories; nil: an older program has pushed, which does not know them.
    var inventories: ReplicaManifest?
    /// Directories of earlier snapshots that are still there, oldest first.
    var history: [String]
    /// What is known of these; those that older programs have pushed may be lacking.
    var earlier: [EarlierPush]?
    /// What is marked for deletion.
    var retired: [PendingDeletion]?
    /// The same; paths that older programs would take for damage.
    var retiredInventories: [PendingDeletion]?

    /// Everything that is marked for deletion.
    var pendingDeletions: [PendingDeletion]? {
        get {
            let all = (retired ?? []) + (retiredInventories ?? [])
            return all.isEmpty ? nil : all
        }
        set {
            func some(_ isWanted: (String) -> Bool) -> [PendingDeletion]? {
                let some = (newValue ?? []).compactMap { entry -> PendingDeletion? in
                    var entry = entry
                    entry.paths = entry.paths.filter(isWanted)
                    return entry.paths.isEmpty ? nil : entry
                }
                return some.isEmpty ? nil : some
            }
            retired = some { !ReplicaFormat.isInventoryFile($0) }
            retiredInventories = some { ReplicaFormat.isInventoryFile($0) }
        }
    }

    /// Every file that this snapshot needs, or that is to be deleted.
    var paths: [String] {
        sharedPaths + (pendingDeletions ?? []).flatMap(\.paths)
    }

    /// The files that this snapshot consists of, in its own directory or in those of others.
    var sharedPaths: [String] {
        let parts = index.chunks + (manifest?.parts ?? []) + (catalogue?.parts ?? []) + (inventories?.parts ?? [])
        return parts.map(\.path)
    }

    /// Refuses what would lead out of the replica, or make a reader allocate more than a push can have written.
    ///
    /// - Parameter place: the document's name for messages.
    func check(_ place: String) throws {
        let bad =
            paths.first { !ReplicaFormat.isPath($0) }
            ?? (history + (earlier ?? []).map(\.path) + [path]).first { !ReplicaFormat.isSnapshot($0) }
        if let bad {
            throw IcecoreError(
                .damaged, "\(place) names '\(Display.text(bad, limit: 200))', which is not a path in a replica")
        }
        let counts = [Int64(sequence), blobs, blobBytes, missing]
        guard counts.allSatisfy({ (0...Int64(ReplicaFormat.mostCounted)).contains($0) }) else {
            throw IcecoreError(.damaged, "\(place) has a number that is out of range")
        }
        guard configuration.storeId == storeId else {
            throw IcecoreError(.damaged, "\(place): the configuration in it belongs to another store")
        }
        guard configuration.format <= StoreConfiguration.packFormat else {
            throw IcecoreError(
                .unsupported,
                "\(place): the pushed store has format \(configuration.format), this icecore reads formats up to "
                    + "\(StoreConfiguration.packFormat): install a newer icecore")
        }
        try index.check(place)
        try catalogue?.check(place)
        for part in (manifest?.parts ?? []) + (inventories?.parts ?? [])
        where part.size < 0 || part.size > ReplicaPiece.largest {
            throw IcecoreError(.damaged, "\(place): a part of the manifest is too large")
        }
    }
}
