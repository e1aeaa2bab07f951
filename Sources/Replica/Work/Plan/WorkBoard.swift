import Basics
import S3

/// What is listed below `work/`: which syncs have planned what, and how far they are.
struct WorkBoard {
    struct Sync {
        /// `plan.json` is there.
        var isPlanned = false
        var shards: Set<Int> = []
        var leases: Set<Int> = []
        var done: Set<Int> = []
    }

    /// By the names of syncs, which begin with the time.
    private(set) var syncs: [String: Sync] = [:]

    /// - Parameter sync: nil: all.
    init(_ storage: any ReplicaStorage, sync: String? = nil) throws {
        var found: [String: Sync] = [:]
        try storage.list(sync.map { WorkFormat.directory($0) } ?? WorkFormat.root) { path, _ in
            switch WorkFormat.entry(path) {
            case .plan(let sync): found[sync, default: Sync()].isPlanned = true
            case .shard(let number, let sync): found[sync, default: Sync()].shards.insert(number)
            case .lease(let number, let sync): found[sync, default: Sync()].leases.insert(number)
            case .done(let number, let sync): found[sync, default: Sync()].done.insert(number)
            case nil: break
            }
        }
        syncs = found
    }

    subscript(sync: String) -> Sync { syncs[sync] ?? Sync() }
}

extension Replica {
    /// The plan of a sync; nil: it is over.
    func plan(_ sync: String) throws -> WorkPlan? {
        let path = WorkFormat.planPath(sync)
        guard let bytes = try storage.read(path, limit: ReplicaFormat.documentLimit)?.bytes else { return nil }
        let plan = try WorkFormat.decode(WorkPlan.self, bytes, place(path))
        guard plan.sync == sync, plan.storeId == marker?.storeId, (0...ReplicaFormat.mostCounted).contains(plan.shards),
            (1...86400).contains(plan.lease)
        else { throw IcecoreError(.damaged, "\(place(path)) does not belong to this replica") }
        return plan
    }

    /// A lease, and its tag; nil if there is none.
    func lease(_ shard: Int, of sync: String) throws -> (document: LeaseDocument, tag: String)? {
        let path = WorkFormat.leasePath(shard, of: sync)
        guard let stored = try storage.read(path, limit: ReplicaFormat.documentLimit) else { return nil }
        return (try WorkFormat.decode(LeaseDocument.self, stored.bytes, place(path)), stored.tag)
    }

    /// Aborts what killed machines have left of contents that were on their way in parts: for when nobody works.
    func abortUploadsOfContents() throws {
        guard let client, case .bucket(let location) = url else { return }
        do {
            for folder in ["blobs/", "packs/"] {
                let prefix = location.key + Array(folder.utf8)
                for upload in try client.unfinishedUploads(bucket: location.bucket, prefix: prefix) {
                    try client.abortUpload(bucket: location.bucket, key: upload.key, id: upload.id)
                }
            }
        } catch let failure as S3Failure where failure.kind == .response {
            // Listing them takes a permission of its own: a rule of the bucket can do it, too.
        }
    }

    /// Paths of packs that a document below `work/` names; anything else in it is damage.
    func checkedPacks(_ paths: [String], _ document: String) throws -> [String] {
        for path in paths where !path.hasPrefix("packs/") || !ReplicaFormat.isPath(path) {
            throw IcecoreError(.damaged, "\(place(document)) names '\(Display.text(path, limit: 100))' as a pack")
        }
        return paths
    }
}
