import Basics
import Foundation

/// The last steps of a push: `metadata.json`, then `latest.json`, which makes the new snapshot the replica's newest,
/// and what follows from that.
final class PushCommit {
    private let context: PushContext
    private let base: PushBase
    private let plan: PushPlan
    private let snapshot: SnapshotUpload
    private var replica: Replica { context.replica }
    private var records: ReplicaRecords { context.records }
    /// When the deletions were announced, by the clock that includes the time that the machine sleeps.
    private var announcedAt: UInt64 = 0

    init(_ context: PushContext, _ base: PushBase, _ plan: PushPlan, _ snapshot: SnapshotUpload) {
        self.context = context
        self.base = base
        self.plan = plan
        self.snapshot = snapshot
    }

    /// Which push this is: they count from 1.
    var sequence: Int { (base.head?.latest.sequence ?? 0) + 1 }

    // MARK: - Documents

    /// Writes `metadata.json`.
    ///
    /// - Returns: the `latest.json` that points to it.
    func writeMetadata(
        _ index: PushedIndex, _ lists: SnapshotUpload.Lists, missing: Int64
    ) throws -> ReplicaLatest {
        let now = Timestamp.now()
        announcedAt = MonotonicClock.millisecondsWithSleep()
        let metadata = try metadata(index, lists, missing: missing, now)
        let document = try ReplicaFormat.encode(metadata)
        try snapshot.write("\(plan.path)/\(ReplicaFormat.metadataName)", document)
        return ReplicaLatest(
            format: plan.format, storeId: metadata.storeId, sequence: sequence, snapshot: plan.path,
            metadataSHA256: Hex.encode(SHA256.digest(document)), pushedAt: metadata.pushedAt,
            pushedBy: metadata.pushedBy)
    }

    private func metadata(
        _ index: PushedIndex, _ lists: SnapshotUpload.Lists, missing: Int64, _ now: Timestamp
    ) throws -> ReplicaMetadata {
        let pending = plan.deletions.announced(now)
        var metadata = ReplicaMetadata(
            format: plan.format, storeId: context.store.configuration.storeId, sequence: sequence,
            path: plan.path, pushedAt: now.rfc3339, pushedBy: "icecore on \(ProcessInfo.processInfo.hostName)",
            snapshots: index.snapshots, pruned: index.pruned, blobs: 0, blobBytes: 0, missing: missing,
            configuration: index.configuration, index: plan.index, manifest: lists.manifest,
            catalogue: lists.catalogue, inventories: lists.inventories, history: plan.deletions.history)
        metadata.pendingDeletions = pending
        if let head = base.head {
            let there = Set(metadata.history)
            metadata.earlier = ((head.metadata.earlier ?? []) + [head.summary]).filter { there.contains($0.path) }
        }
        let isIncremental = base.manifest != nil && !plan.deletions.changesManifest
        if let head = base.head, isIncremental {
            (metadata.blobs, metadata.blobBytes) = (head.metadata.blobs, head.metadata.blobBytes)
        }
        try records.forEachBlob(unlistedOnly: isIncremental) { name, state in
            guard state != .unconfirmed, !plan.deletions.droppedBlobs.contains(name),
                case .blob(let blob)? = ReplicaItem(name)
            else { return }
            metadata.blobs += 1
            metadata.blobBytes = metadata.blobBytes.addingClamped(blob.size)
        }
        return metadata
    }

    /// Replaces `latest.json`; false: another push has replaced it since this one began.
    func replaceLatest(_ latest: ReplicaLatest) throws -> Bool {
        let (storage, name) = (replica.storage, ReplicaFormat.latestName)
        let bytes = try ReplicaFormat.encode(latest)
        if context.options.isConditional {
            if try storage.exchange(name, bytes, expecting: base.head?.tag) { return true }
            // The write may have succeeded although its answer was lost; the retry then fails.
            return try storage.read(name, limit: 1 << 20)?.bytes == bytes
        }
        guard try storage.read(name, limit: 1 << 20)?.tag == base.head?.tag else { return false }
        try storage.write(name, bytes)
        return true
    }

    // MARK: - Another push was faster

    /// Removes what this attempt has written in vain.
    ///
    /// It may not have been in vain: the answer to a successful write of `latest.json` may have been lost, and another
    /// push may have built on it.
    func takeBack() throws {
        let written = snapshot.written
        try records.setBaseSnapshot(nil)
        guard let metadata = try replica.head()?.metadata else { return }
        let isInUse =
            metadata.path == plan.path || metadata.history.contains(plan.path)
            || !Set(metadata.paths).isDisjoint(with: written)
        if !isInUse { try replica.storage.remove(written) }
        try records.forgetObjects(written)
    }

    /// Says which push was faster; throws where another attempt is pointless.
    func reportWinner(isLastAttempt: Bool) throws {
        guard let winner = try replica.head()?.latest else {
            throw IcecoreError(
                .damaged,
                "\(replica.place(ReplicaFormat.latestName)) disappeared while this push was running: push again")
        }
        let who = "\(winner.pushedBy) at \(winner.pushedAt), as number \(winner.sequence)"
        guard isLastAttempt else {
            return context.note("another push was faster (\(who)): trying again on top of it")
        }
        throw IcecoreError(
            .busy,
            "other pushes were faster, the last one by \(who). The replica is complete and holds theirs, without what "
                + "this one had to add: push again")
    }

    // MARK: - This push was faster

    /// Records that the replica is what this push has made it.
    func record() throws {
        for name in plan.deletions.droppedBlobs { try records.forget(name) }
        try records.setBaseSnapshot(plan.path)
        try records.listUploaded()
        try records.forgetObjects(snapshot.written)
    }

    /// Deletes what `latest.json` has announced by now.
    ///
    /// - Returns: how many files; a later push deletes the rest if time runs out.
    func delete() throws -> Int {
        let deadline = announcedAt + UInt64(DeletionPlan.window) / 2
        let paths = plan.deletions.due.flatMap(\.paths)
        var count = 0
        while count < paths.count {
            try Interruption.check()
            guard MonotonicClock.millisecondsWithSleep() < deadline else { return count }
            // A few at a time, so that the deadline is kept: other pushes wait no longer for files that they need.
            let end = min(paths.count, count + 64)
            try replica.storage.remove(Array(paths[count..<end]))
            count = end
        }
        try records.setDeletionsDone(plan.path)
        try records.commit()
        return count
    }
}
