import Basics
import Glibc
import Index
import Model
import Store

/// The index as a push sends it: a copy that does not change while the store goes on working, and what belongs to it.
struct PushedIndex {
    let path: String
    let configuration: StoreConfiguration
    let reader: IndexReader
    /// What the store may still have, but does not keep; nil if there is nothing.
    let doomed: UnnamedBlobs?
    /// Oldest first.
    let snapshots: [ReplicaMetadata.PushedSnapshot]

    /// Whether the store has packs.
    let hasPacks: Bool

    /// Copies the store's index.
    static func copy(_ context: PushContext, progress: (Double) -> Void) throws -> PushedIndex {
        let store = context.store
        let path = "\(store.path)/replicas/\(context.replicaId).index"
        try Files.removeAll(path)
        do {
            try IndexCopy.make(of: store.indexPath, at: path, progress: progress)
            return try PushedIndex(path: path, of: store)
        } catch {
            unlink(path)
            throw error
        }
    }

    private init(path: String, of store: Store) throws {
        self.path = path
        // Read after the copy was made: what it says may come before what the index holds, but never after.
        var configuration = try StoreConfiguration(path: store.configurationPath)
        _ = try store.packs.refresh()
        hasPacks = try store.packs.current()?.packs.isEmpty == false
        // Whether there could be packs is nothing that a replica without any has to know.
        if !hasPacks { configuration.format = min(configuration.format, StoreConfiguration.currentFormat) }
        self.configuration = configuration.withoutObjectStore()
        reader = try IndexReader(path: path)
        doomed = try UnnamedBlobs.doomed(store, reader)
        snapshots = try reader.snapshots().map {
            ReplicaMetadata.PushedSnapshot(
                name: $0.record.name, takenAt: $0.record.takenAt.rfc3339, keys: $0.record.keys, bytes: $0.record.bytes)
        }
    }

    /// Names of snapshots that a prune has dropped.
    var pruned: [String] { reader.timeline.points.filter(\.isPruned).map(\.name) }

    /// Refuses a damaged index, which would replace a sound one.
    func refuseDamage() throws {
        guard let problem = try IndexCheck.firstProblem(copy: path) else { return }
        throw IcecoreError(
            .damaged,
            "the store's index is damaged (it \(problem)), and was not pushed: 'icecore verify' says more, 'icecore "
                + "reindex' rebuilds it")
    }

    /// How many contents that the store does not keep are in its packs for now, which are sent as they are.
    func doomedInPacks(_ store: Store) throws -> Int {
        guard hasPacks, let doomed else { return 0 }
        var count = 0
        try reader.doomedBlobs { name, _ in
            if try doomed.contains(name), let blob = BlobName(name), try !store.packs.expected(blob).isEmpty {
                count += 1
            }
        }
        return count
    }

    func remove() { unlink(path) }
}
