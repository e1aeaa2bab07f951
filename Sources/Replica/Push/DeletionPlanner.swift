import Basics
import Index
import Model
import Packs
import Store

/// Decides what a push marks for deletion, and what it deletes.
///
/// Deleting takes two pushes: one marks what no snapshot needs any more, a later one deletes what is still not needed
/// then.
struct DeletionPlanner {
    private let context: PushContext
    private let head: Replica.Head
    private let now = Timestamp.now()
    private var plan = DeletionPlan()
    /// The paths of files of inventories that the replica has and that are to stay.
    private var neededInventories: Set<String> = []

    /// The most paths that are marked at a time: the list is part of a document.
    private static let mostMarked = 50_000

    /// - Parameters:
    ///   - knowsAllContents: the index expects no content that is missing.
    ///   - neededPacks: those of some packs, which the store does not have, that have to stay.
    static func plan(
        _ context: PushContext, _ base: PushBase, _ index: PushedIndex, knowsAllContents: Bool,
        neededPacks: (Set<PackName>) throws -> Set<PackName>
    ) throws -> DeletionPlan {
        guard let head = base.head else { return DeletionPlan() }
        var planner = DeletionPlanner(context: context, head: head)
        try context.records.forEachBlob(prefix: "i-") { name, state in
            if state != .unconfirmed, let item = ReplicaItem(name) { planner.neededInventories.insert(item.path) }
        }
        try planner.reviewMarked()
        if context.options.pruneGrace != nil {
            try planner.markUnneeded(index, knowsAllContents, neededPacks)
        }
        return planner.plan
    }

    private init(context: PushContext, head: Replica.Head) {
        self.context = context
        self.head = head
        plan.history = head.metadata.history + [head.metadata.path]
    }

    // MARK: - Marked by earlier pushes

    private mutating func reviewMarked() throws {
        // Whether this store has carried out all deletions that the newest snapshot announces.
        let isDone = try context.records.deletionsDoneSnapshot == head.latest.snapshot
        for entry in head.metadata.pendingDeletions ?? [] where !(isDone && entry.deletingSince != nil) {
            try review(entry)
        }
    }

    private mutating func review(_ entry: PendingDeletion) throws {
        // A blob that this store has sent again is needed again.
        var paths: [String] = []
        for path in entry.paths {
            guard try isNeededAgain(path) else {
                paths.append(path)
                continue
            }
            // A time far in the future comes from a clock that was wrong.
            if let since = entry.deletingSince.flatMap({ Timestamp(rfc3339: $0) }),
                abs(now.milliseconds - since.milliseconds) < DeletionPlan.window
            {
                throw IcecoreError(
                    .busy,
                    "a push that began at \(since.rfc3339) is deleting blobs from the replica that this store needs: "
                        + "push again in a quarter of an hour")
            }
            plan.needsSnapshot = true
        }
        guard !paths.isEmpty else { return }
        let markedAt = Timestamp(rfc3339: entry.markedAt) ?? now
        // The push that began to delete may have been stopped: this one deletes the rest.
        if let grace = context.options.pruneGrace,
            entry.deletingSince != nil || now.milliseconds - markedAt.milliseconds >= grace
        {
            plan.due.append(PendingDeletion(paths: paths, markedAt: entry.markedAt))
            plan.needsSnapshot = true
        } else {
            plan.pending.append(
                PendingDeletion(paths: paths, markedAt: entry.markedAt, deletingSince: entry.deletingSince))
        }
    }

    private func isNeededAgain(_ path: String) throws -> Bool {
        let state: ReplicaRecords.BlobState?
        if path.hasPrefix("blobs/"), let name = ReplicaFormat.lastName(path) {
            state = try context.records.state(of: name)
        } else if path.hasPrefix("packs/"), let name = ReplicaFormat.lastName(path) {
            // Its size, which is part of the name, is nothing that a path tells.
            var found: ReplicaRecords.BlobState?
            try context.records.forEachBlob(prefix: "p-\(name)-") { found = $1 }
            state = found
        } else if ReplicaFormat.isInventoryFile(path) {
            return neededInventories.contains(path)
        } else {
            return false
        }
        return state != nil && state != .unconfirmed
    }

    // MARK: - Marked by this push

    private mutating func markUnneeded(
        _ index: PushedIndex, _ knowsAllContents: Bool,
        _ neededPacks: (Set<PackName>) throws -> Set<PackName>
    ) throws {
        try markBlobs(index, knowsAllContents)
        try markPacks(neededPacks)
        try markInventories(index)
        try markSnapshots()
        guard !plan.marked.isEmpty else { return }
        plan.pending.append(PendingDeletion(paths: plan.marked, markedAt: now.rfc3339))
        // Every push leaves the previous snapshot behind: marking only that is not worth another push.
        plan.needsSnapshot =
            plan.needsSnapshot || !plan.droppedBlobs.isEmpty || head.metadata.history.count > 3
    }

    /// Marks blobs that the store no longer has, or does not keep, and no row of its index names, and all unconfirmed ones
    /// of these: no manifest names those.
    private mutating func markBlobs(_ pushed: PushedIndex, _ knowsAllContents: Bool) throws {
        let index = pushed.reader
        let (store, records) = (context.store, context.records)
        let unnamed = try UnnamedBlobs(store)
        let room = DeletionPlanner.mostMarked - (plan.pending + plan.due).reduce(0) { $0 + $1.paths.count }
        try records.forEachBlob { name, state in
            try Interruption.check()
            if name.hasPrefix("p-") || name.hasPrefix("i-") { return }
            if try pushed.doomed?.contains(name) != true {
                if Files.exists(store.blobs.path(ofName: name)) { return }
                if let blob = BlobName(name), try store.blobs.find(blob) != nil { return }
            }
            if state == .unconfirmed {
                if plan.droppedBlobs.count < room { plan.droppedBlobs.insert(name) }
            } else if knowsAllContents || !name.hasPrefix("x-") {
                // While contents are missing, a rebuilt index may not know which rows need a blob named by its SHA-256.
                try unnamed.add(name)
            }
        }
        index.end()
        try index.begin()
        try unnamed.find(index) { name in
            if plan.droppedBlobs.count < room, let state = try records.state(of: name), state != .unconfirmed {
                plan.droppedBlobs.insert(name)
                plan.changesManifest = true
            }
        }
        index.end()
        plan.marked += plan.droppedBlobs.compactMap { ReplicaItem($0)?.path }.sorted()
    }

    /// Marks packs that the store does not have, and that are not all that has what it lacks.
    private mutating func markPacks(_ neededPacks: (Set<PackName>) throws -> Set<PackName>) throws {
        let own = Set((try context.store.packs.current()?.packs ?? [:]).values)
        var gone: [PackName: ReplicaItem] = [:]
        try context.records.forEachBlob(prefix: "p-") { name, _ in
            if let item = ReplicaItem(name), let pack = item.pack, !own.contains(pack) { gone[pack] = item }
        }
        guard !gone.isEmpty else { return }
        let needed = try neededPacks(Set(gone.keys))
        try drop(gone.filter { !needed.contains($0.key) }.map(\.value).sorted { $0.path < $1.path })
    }

    /// Marks the files of inventories whose snapshots the store has dropped.
    private mutating func markInventories(_ index: PushedIndex) throws {
        let kept = Set(index.snapshots.map(\.name))
        var gone: [ReplicaItem] = []
        try context.records.forEachBlob(prefix: "i-") { name, _ in
            guard let item = ReplicaItem(name), case .inventoryFile(let path, _) = item else { return }
            if !kept.contains(String(path.prefix { $0 != "/" })) { gone.append(item) }
        }
        try drop(gone)
    }

    private mutating func drop(_ items: [ReplicaItem]) throws {
        for item in items {
            let state = try context.records.state(of: item.name)
            plan.droppedBlobs.insert(item.name)
            plan.marked.append(item.path)
            if state != .unconfirmed { plan.changesManifest = true }
        }
    }

    /// Marks files of earlier snapshots that the newest does not share.
    private mutating func markSnapshots() throws {
        // The newest stays: readers have it until the next one is there.
        guard plan.history.count > 1 else { return }
        let known = Set((plan.pending + plan.due).flatMap(\.paths))
        let shared = Set(head.metadata.sharedPaths)
        var history: [String] = []
        for directory in plan.history.dropLast() {
            var isShared = false
            try context.replica.storage.list("\(directory)/") { path, _ in
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
}
