import Basics

/// The state of the replica that a push builds on.
struct PushBase {
    /// Nil: no push was ever completed.
    let head: Replica.Head?
    /// The replica's manifest, if the new one can extend it.
    let manifest: ReplicaManifest?
    /// The same for the list of inventories.
    var inventories: ReplicaManifest? { manifest == nil ? nil : head?.metadata.inventories }

    /// Reads the replica, brings the store's records up to date with it, and removes what an interrupted push has left.
    static func prepare(_ context: PushContext) throws -> PushBase {
        let replica = context.replica
        let head = try context.options.isChecking ? replica.headForRepair(context.note) : replica.head()
        // Nobody else removes what no manifest names yet from a store's own place.
        if !context.isOwnPlace { try context.records.unconfirmUploaded() }
        try clearLeftovers(context, head)
        let isComplete = try learnBlobs(context, head)
        return PushBase(head: head, manifest: isComplete ? head?.metadata.manifest : nil)
    }

    private static func clearLeftovers(_ context: PushContext, _ head: Replica.Head?) throws {
        let (records, storage) = (context.records, context.replica.storage)
        for (path, id) in try records.unfinishedUploads() {
            try storage.abortUpload(path, id: id)
            try records.didEnd(path)
        }
        let objects = try records.writtenObjects()
        guard !objects.isEmpty else { return try records.commit() }
        // After a push that was stopped right after its last step, the replica consists of what it wrote.
        let named = Set(head?.metadata.paths ?? [])
        let directories = Set((head?.metadata.history ?? []) + [head?.metadata.path].compactMap { $0 })
        let orphans = objects.filter { !named.contains($0) && !directories.contains(Files.directory(of: $0)) }
        try storage.remove(orphans)
        try records.forgetObjects(objects)
    }

    /// Reads from the manifest which blobs the replica has, unless the records know.
    ///
    /// - Returns: whether the manifest names them all.
    private static func learnBlobs(_ context: PushContext, _ head: Replica.Head?) throws -> Bool {
        let records = context.records
        guard let head else {
            try records.forgetListed()
            return false
        }
        let isChecking = context.options.isChecking
        var isComplete = head.metadata.manifest != nil
        if try records.baseSnapshot == head.latest.snapshot, isComplete, !isChecking { return true }
        try records.forgetListed()
        let own = Set((isChecking ? try context.store.packs.current()?.packs : nil)?.values.map { $0 } ?? [])
        try context.replica.forEachItem(head.metadata, listing: isChecking) { warning in
            isComplete = false
            context.note("warning: \(warning)")
        } _: { item in
            try Interruption.check()
            if isChecking, let pack = item.pack {
                // What the store has as well is compared with that before it counts.
                if own.contains(pack) { return try records.set(item.name, .unconfirmed) }
                if let problem = try context.replica.problem(of: item) {
                    return context.note(
                        "warning: the pack \(pack) of the replica is damaged and left out (\(problem)), and this store "
                            + "does not have it")
                }
            }
            if try records.state(of: item.name) != .listed { try records.set(item.name, .listed) }
        }
        try records.setBaseSnapshot(head.latest.snapshot)
        try records.commit()
        return isComplete && !isChecking
    }
}
