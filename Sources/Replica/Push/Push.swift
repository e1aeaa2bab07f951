import Basics
import Store

/// Brings a replica up to date with a store: first the blobs, then what describes them, and last the one file that
/// points to it, so that readers see the last complete push.
public final class Push {
    private let store: Store
    private let replica: Replica
    private let options: PushContext.Options
    private let note: (String) -> Void
    private let progress: (PushProgress) -> Void

    /// - Parameters:
    ///   - isConditional: whether `latest.json` is replaced by a conditional write.
    ///   - isChecking: whether to look for what the replica's documents name, and to send again what is missing.
    ///   - acceptsMissing: whether the replica may lose knowledge of contents.
    ///   - pruneGrace: milliseconds between marking a file that no snapshot needs and deleting it; nil: neither is
    ///     done.
    ///   - note: called with remarks for people.
    public init(
        _ store: Store, _ replica: Replica, isConditional: Bool, isChecking: Bool = false, acceptsMissing: Bool = false,
        pruneGrace: Int64?, note: @escaping (String) -> Void, progress: @escaping (PushProgress) -> Void
    ) {
        self.store = store
        self.replica = replica
        options = PushContext.Options(
            isConditional: isConditional, isChecking: isChecking, acceptsMissing: acceptsMissing,
            pruneGrace: pruneGrace)
        self.note = note
        self.progress = progress
    }

    public func run() throws -> PushOutcome {
        try refuseOwnStore()
        let hold = try BlobDeletionLock(store, removing: false)
        defer { withExtendedLifetime(hold) {} }
        try refuseEmptyStore()
        let hasPacks = try store.packs.current()?.packs.isEmpty == false
        let isOwn = store.configuration.objectStore != nil
        let marker = try replica.begin(
            for: store, format: hasPacks || isOwn ? ReplicaFormat.current : ReplicaFormat.plain)
        guard marker.storeId == store.configuration.storeId else {
            throw IcecoreError(
                .busy, "\(replica.url) is the replica of another store (\(marker.storeId)): choose another place")
        }
        let records = try ReplicaRecords(store, replicaId: marker.replicaId)
        defer {
            try? records.commit()
            replica.removeStaging()
        }
        try removeLeftovers(marker.replicaId)
        let context = PushContext(
            store: store, replica: replica, replicaId: marker.replicaId, records: records, options: options, note: note,
            progress: progress)
        let conditions = ConditionalWriteCheck(context)
        let blobs = BlobUpload(context, conditions)
        var isLastAttempt = false
        while true {
            if let outcome = try attempt(context, conditions, blobs, isLastAttempt: isLastAttempt) { return outcome }
            isLastAttempt = true
        }
    }

    /// One push from beginning to end. Nil: another push was faster, and has changed what is left to do.
    private func attempt(
        _ context: PushContext, _ conditions: ConditionalWriteCheck, _ blobs: BlobUpload, isLastAttempt: Bool
    ) throws -> PushOutcome? {
        var outcome = PushOutcome()
        let base = try PushBase.prepare(context)
        let index = try PushedIndex.copy(context) { progress(.index($0 / 2)) }
        defer { index.remove() }
        let checks = PushChecks(context, base, index)
        try checks.refuseStepBack()
        outcome.missing = try checks.missingContents()

        let feed = try BlobFeed(store, index, context.records, isOwnPlace: context.isOwnPlace)
        try blobs.run(feed)
        (outcome.blobs, outcome.packs, outcome.bytes) = (blobs.count, blobs.packs, blobs.bytes)
        outcome.damaged = blobs.damaged
        let expected = try context.isOwnPlace ? 0 : index.reader.totals().blobs
        if try feed.lacksPacks || feed.seen - index.doomedInPacks(store) < expected {
            outcome.missing += try checks.missingBlobs()
        }

        index.reader.end()
        let chunker = try IndexChunker(index.path) { progress(.index(0.5 + $0 / 2)) }
        progress(.finishing)
        // What is damaged here has not been sent.
        let isSound = outcome.damaged.isEmpty
        let plan = try PushPlan(context, base, index, chunker, knowsAllContents: outcome.missing == 0) { gone in
            isSound ? try checks.needed(of: gone) : gone
        }
        if plan.isUnchanged, let latest = base.head?.latest {
            outcome.snapshot = latest.snapshot
            outcome.sequence = latest.sequence
            outcome.isUnchanged = true
            return outcome
        }
        outcome.marked = plan.deletions.marked.count
        try index.refuseDamage()
        try conditions.run()

        let snapshot = SnapshotUpload(context, base, plan)
        try snapshot.sendChunks()
        let lists = try snapshot.sendLists()
        let commit = PushCommit(context, base, plan, snapshot)
        let latest = try commit.writeMetadata(index, lists, missing: outcome.missing)
        guard try commit.replaceLatest(latest) else {
            try commit.takeBack()
            try commit.reportWinner(isLastAttempt: isLastAttempt)
            return nil
        }
        try commit.record()
        outcome.snapshot = latest.snapshot
        outcome.sequence = latest.sequence
        outcome.deleted = try commit.delete()
        return outcome
    }

    /// Removes parts of catalogues that a killed push has left.
    private func removeLeftovers(_ replicaId: String) throws {
        let directory = "\(store.path)/\(StoreLayout.replicas)"
        for name in try Files.names(in: directory) where name.hasPrefix("\(replicaId).packs") {
            try Files.remove("\(directory)/\(name)")
        }
    }

    // MARK: - What cannot be pushed

    private func refuseOwnStore() throws {
        guard case .directory(let path) = replica.url else { return }
        let (own, other) = (Files.resolved(store.path), Files.resolved(path))
        guard own == other || other.hasPrefix("\(own)/") || Files.exists("\(path)/icecore.json") else { return }
        throw IcecoreError(
            .usage,
            "'\(path)' is \(own == other ? "this store itself" : "a store, or inside one"): choose a separate "
                + "directory")
    }

    private func refuseEmptyStore() throws {
        let reader = try store.reader()
        defer { reader.end() }
        if reader.timeline.kept.isEmpty {
            throw IcecoreError(.notFound, "the store holds no snapshot yet: there is nothing to push")
        }
    }
}
