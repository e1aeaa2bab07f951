import Basics
import Index
import Store

/// What a push marks to be deleted, and what it deletes.
struct RemovalPlan {
    /// Snapshots' directories that stay.
    var history: [String] = []
    /// What the new metadata says of things to come.
    var waiting: [ReplicaFormat.Retired] = []
    /// Marked by this push.
    var marked: [String] = []
    /// To be deleted once `latest.json` says so, and since when each group was marked.
    var deleting: [ReplicaFormat.Retired] = []
    /// Names of blobs that go, once `latest.json` says so.
    var forgotten: Set<String> = []
    /// When the deletions were announced, by the clock that goes on while the machine sleeps.
    private(set) var announced: UInt64 = 0
    /// Names leave the manifest.
    var changesManifest = false
    /// There is something to be said that the replica does not say yet.
    var isNeeded = false

    /// From now on, others know what is being deleted. It stays in the list until a later push knows that all of it is done.
    mutating func announce(_ now: Timestamp) {
        announced = MonotonicClock.millisecondsWithSleep()
        waiting += deleting.map { ReplicaFormat.Retired(paths: $0.paths, since: $0.since, deletingSince: now.rfc3339) }
    }
}

extension Push {
    /// Decides what is to go. What was marked and is needed again stays.
    func planRemoval(
        _ records: ReplicaRecords, _ head: Replica.Head?, _ index: IndexReader
    ) throws -> RemovalPlan {
        var plan = RemovalPlan()
        guard let head else { return plan }
        let now = Timestamp.now()
        plan.history = head.metadata.history + [head.metadata.path]
        // Deletions that this store has announced, and made to the end.
        let isDone = try records.deleted == head.latest.snapshot
        for entry in head.metadata.retired ?? [] where !(isDone && entry.deletingSince != nil) {
            try review(entry, now, records, &plan)
        }
        guard removal != nil else { return plan }

        // Two steps: what is no longer named is marked here, and deleted by a later push.
        try markBlobs(records, index, &plan)
        try markSnapshots(head, &plan)
        if !plan.marked.isEmpty {
            plan.waiting.append(ReplicaFormat.Retired(paths: plan.marked, since: now.rfc3339))
            // Every push leaves the snapshot before it: marking that alone is no reason for another one.
            plan.isNeeded = plan.isNeeded || !plan.forgotten.isEmpty || head.metadata.history.count > 3
        }
        return plan
    }

    /// What becomes of things that an earlier push has marked.
    private func review(
        _ entry: ReplicaFormat.Retired, _ now: Timestamp, _ records: ReplicaRecords, _ plan: inout RemovalPlan
    ) throws {
        // A blob that this store has sent again is named again.
        var paths: [String] = []
        for path in entry.paths {
            guard let name = Push.blobName(path), let standing = try records.standing(name), standing != .intended
            else {
                paths.append(path)
                continue
            }
            // Far in the future, it is the time of a clock that was wrong.
            if let since = entry.deletingSince.flatMap({ Timestamp(rfc3339: $0) }),
                abs(now.milliseconds - since.milliseconds) < Push.deletingTime
            {
                throw IcecoreError(
                    .busy,
                    "blobs that this store needs are being deleted from the replica by a push that began at "
                        + "\(since.rfc3339): push again in a quarter of an hour")
            }
            plan.isNeeded = true
        }
        guard !paths.isEmpty else { return }
        let since = Timestamp(rfc3339: entry.since) ?? now
        // Whoever began to delete may have been stopped: this one sees to the rest.
        if let removal, entry.deletingSince != nil || now.milliseconds - since.milliseconds >= removal.grace {
            plan.deleting.append(ReplicaFormat.Retired(paths: paths, since: entry.since))
            plan.isNeeded = true
        } else {
            plan.waiting.append(
                ReplicaFormat.Retired(paths: paths, since: entry.since, deletingSince: entry.deletingSince))
        }
    }

    /// So many are marked at a time.
    static let mostMarked = 50_000

    static func blobName(_ path: String) -> String? {
        guard path.hasPrefix("blobs/"), let slash = path.lastIndex(of: "/") else { return nil }
        return String(path[path.index(after: slash)...])
    }

    /// Blobs that the store has no more, and that no row of its index names; of those that no manifest names either, all.
    private func markBlobs(_ records: ReplicaRecords, _ index: IndexReader, _ plan: inout RemovalPlan) throws {
        let unnamed = try UnnamedBlobs(store)
        // The rest is for the next push: the list stands in a document.
        let room = Push.mostMarked - (plan.waiting + plan.deleting).reduce(0) { $0 + $1.paths.count }
        // An index that was made anew may not know which ETag a content had that has its SHA-256 for a name.
        let knowsAll = outcome.missing == 0
        try records.forEachName(fresh: false) { name, standing in
            try Interruption.check()
            if Files.exists(store.blobs.path(ofName: name)) { return }
            if standing == .intended {
                // It was sent by a push that was stopped, or not at all.
                if plan.forgotten.count < room { plan.forgotten.insert(name) }
            } else if knowsAll || !name.hasPrefix("x-") {
                try unnamed.add(name)
            }
        }
        index.end()
        try index.begin()
        try unnamed.find(index) { name in
            if plan.forgotten.count < room, let standing = try records.standing(name), standing != .intended {
                plan.forgotten.insert(name)
                plan.changesManifest = true
            }
        }
        index.end()
        plan.marked += plan.forgotten.sorted().map(ReplicaFormat.blobPath)
    }

    /// Earlier snapshots, as far as the newest does not share their files.
    private func markSnapshots(_ head: Replica.Head, _ plan: inout RemovalPlan) throws {
        // The newest stays in any case: it is what readers have, until the next one is there.
        guard plan.history.count > 1 else { return }
        let known = Set((plan.waiting + plan.deleting).flatMap(\.paths))
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

    /// Deletes what was marked long enough ago; `latest.json` says so by now. False: there is some left.
    func delete(_ plan: RemovalPlan) throws -> Bool {
        let deadline = plan.announced + UInt64(Push.deletingTime) / 2
        let paths = plan.deleting.flatMap(\.paths)
        var place = 0
        while place < paths.count {
            try Interruption.check()
            // Few at a time: whoever needs one of them waits no longer than that for the end of all.
            guard MonotonicClock.millisecondsWithSleep() < deadline else { return false }
            let end = min(paths.count, place + 64)
            try replica.storage.remove(Array(paths[place..<end]))
            place = end
            outcome.deleted = place
        }
        return true
    }
}
