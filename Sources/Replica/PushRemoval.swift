import Basics
import Store

/// What a push marks to be deleted, and what it deletes.
struct RemovalPlan {
    /// Snapshots' directories that stay.
    var history: [String] = []
    /// What the new metadata says of things to come.
    var waiting: [ReplicaFormat.Retired] = []
    /// Marked by this push.
    var marked: [String] = []
    /// To be deleted once `latest.json` says so.
    var deleting: [String] = []
    /// Names leave the manifest.
    var changesManifest = false
    /// There is something to be said that the replica does not say yet.
    var isNeeded = false
}

extension Push {
    /// Decides what is to go. What was marked and is needed again stays.
    func planRemoval(
        _ records: ReplicaRecords, _ head: Replica.Head?, _ index: IndexReader, _ path: String
    ) throws -> RemovalPlan {
        var plan = RemovalPlan()
        guard let head else { return plan }
        let now = Timestamp.now()
        plan.history = head.metadata.history + [head.metadata.path]
        for entry in head.metadata.retired ?? [] {
            try review(entry, now, records, &plan)
        }
        guard removal != nil else { return plan }

        // Two steps: what is no longer named is marked here, and deleted by a later push.
        try markBlobs(records, index, &plan)
        try markSnapshots(head, &plan)
        if !plan.marked.isEmpty {
            plan.waiting.append(ReplicaFormat.Retired(paths: plan.marked, since: now.rfc3339))
            // Every push leaves the snapshot before it: marking that alone is no reason for another one.
            plan.isNeeded = plan.isNeeded || plan.changesManifest || head.metadata.history.count > 3
        }
        outcome.marked = plan.marked.count
        return plan
    }

    /// What becomes of things that an earlier push has marked.
    private func review(
        _ entry: ReplicaFormat.Retired, _ now: Timestamp, _ records: ReplicaRecords, _ plan: inout RemovalPlan
    ) throws {
        // A blob that this store has sent again is named again.
        var paths: [String] = []
        for path in entry.paths {
            guard let name = Push.blobName(path), try records.standing(name) != nil else {
                paths.append(path)
                continue
            }
            if let since = entry.deletingSince.flatMap({ Timestamp(rfc3339: $0) }),
                now.milliseconds - since.milliseconds < Push.deletingTime
            {
                throw IcecoreError(
                    .busy,
                    "blobs that this store needs are being deleted from the replica by a push that began at "
                        + "\(since.rfc3339): push again in a quarter of an hour")
            }
            plan.isNeeded = true
        }
        guard !paths.isEmpty else { return }
        if entry.deletingSince != nil {
            // Whoever began to delete may have been stopped: this one sees to the rest.
            if removal == nil {
                plan.waiting.append(entry)
            } else {
                plan.deleting += paths
            }
            return
        }
        let since = Timestamp(rfc3339: entry.since) ?? now
        if let removal, now.milliseconds - since.milliseconds >= removal.grace {
            plan.deleting += paths
            plan.waiting.append(
                ReplicaFormat.Retired(paths: paths, since: entry.since, deletingSince: now.rfc3339))
            plan.isNeeded = true
        } else {
            plan.waiting.append(ReplicaFormat.Retired(paths: paths, since: entry.since))
        }
    }

    /// So many are marked at a time.
    static let mostMarked = 50_000

    static func blobName(_ path: String) -> String? {
        guard path.hasPrefix("blobs/"), let slash = path.lastIndex(of: "/") else { return nil }
        return String(path[path.index(after: slash)...])
    }

    /// Blobs that the store has no more, and that no row of its index names.
    private func markBlobs(_ records: ReplicaRecords, _ index: IndexReader, _ plan: inout RemovalPlan) throws {
        let unnamed = try UnnamedBlobs(store)
        try records.forEachName(fresh: false) { name, standing in
            try Interruption.check()
            if standing != .intended, !Files.exists(store.blobs.path(ofName: name)) { try unnamed.add(name) }
        }
        index.end()
        try index.begin()
        var marked: [String] = []
        let waiting = plan.waiting.reduce(0) { $0 + $1.paths.count }
        try unnamed.find(index) { name in
            // The rest is for the next push: the list stands in a document.
            if marked.count + waiting < Push.mostMarked, let standing = try records.standing(name),
                standing != .intended
            {
                marked.append(ReplicaFormat.blobPath(name))
            }
        }
        index.end()
        for path in marked { if let name = Push.blobName(path) { try records.forget(name) } }
        plan.marked += marked
        plan.changesManifest = !marked.isEmpty
    }

    /// Earlier snapshots, as far as the newest does not share their files.
    private func markSnapshots(_ head: Replica.Head, _ plan: inout RemovalPlan) throws {
        // The newest stays in any case: it is what readers have, until the next one is there.
        guard plan.history.count > 1 else { return }
        let known = Set(plan.waiting.flatMap(\.paths))
        var shared = Set(head.metadata.index.chunks.map(\.path))
        shared.formUnion((head.metadata.manifest?.parts ?? []).map(\.path))
        var history: [String] = []
        for directory in plan.history.dropLast() {
            var isShared = false
            try replica.storage.list("\(directory)/") { path, _ in
                if shared.contains(path) {
                    isShared = true
                } else if !known.contains(path), ReplicaFormat.isPath(path) {
                    plan.marked.append(path)
                }
            }
            if isShared { history.append(directory) }
        }
        plan.history = history + plan.history.suffix(1)
    }

    /// Deletes what was marked long enough ago; `latest.json` says so by now.
    func delete(_ plan: RemovalPlan) throws {
        guard !plan.deleting.isEmpty else { return }
        let deadline = MonotonicClock.milliseconds() + UInt64(Push.deletingTime) / 2
        var place = 0
        while place < plan.deleting.count, MonotonicClock.milliseconds() < deadline {
            try Interruption.check()
            let end = min(plan.deleting.count, place + 1000)
            try replica.storage.remove(Array(plan.deleting[place..<end]))
            place = end
        }
        outcome.deleted = place
    }
}
