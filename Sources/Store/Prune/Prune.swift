import Basics
import Blobs
import Glibc
import Index
import Merge
import Model

/// Drops what no kept view shows: versions from the index, in one transaction, then the blobs that no row names any
/// longer.
///
/// The names of those blobs, which are doomed from then on, are committed with that transaction, so that the next prune finds
/// whatever a stopped one left, and what stayed in packs. It checks again which of them are named: a sync in between may have
/// reused one.
public final class Prune {
    private let store: Store
    private let rules: RetentionPolicy
    private let prefix: [UInt8]?
    private let isDryRun: Bool
    private let progress: (PruneProgress) -> Void
    private var isCommitted = false
    /// Whether the store has packs, before anything is removed.
    private var hadPacks = false

    /// - Parameter prefix: only contents of keys with this prefix are dropped; every snapshot and version stays known.
    public init(
        _ store: Store, _ rules: RetentionPolicy, prefix: [UInt8]?, isDryRun: Bool,
        progress: @escaping (PruneProgress) -> Void
    ) {
        self.store = store
        self.rules = rules
        self.prefix = prefix
        self.isDryRun = isDryRun
        self.progress = progress
    }

    /// - Throws: `usage` if there is no rule; `interrupted`, after which the same prune resumes where it stopped.
    public func run() throws -> PruneOutcome {
        guard !rules.isEmpty else {
            throw IcecoreError(.usage, "say what to keep, such as --keep-within 180d: nothing was pruned")
        }
        let lock = try StoreLock(store, command: "icecore prune")
        let hold = try BlobDeletionLock(store, removing: true)
        defer { withExtendedLifetime((lock, hold)) {} }
        if isDryRun {
            try prepare()
            return try prune()
        }
        // A prune writes before it removes, and is what one runs when the disk is full. What a kill has left of packs takes some
        // room to be settled, too.
        let reserve = DiskReserve(store)
        try reserve.release()
        do {
            try prepare()
            let outcome = try prune()
            reserve.fill()
            return outcome
        } catch let error as IcecoreError where error.code == .noSpace && !isCommitted {
            reserve.fill(share: 1)
            throw withoutRoom(error)
        }
    }

    private func prepare() throws {
        try store.removeLeftovers()
        hadPacks = try store.packs.current().map { !$0.packs.isEmpty } ?? false
        try IndexReader.refuseLoss(store.indexPath)
    }

    private func withoutRoom(_ error: IcecoreError) -> IcecoreError {
        let need = (Files.size(store.indexPath) ?? 0).addingClamped(1 << 20)
        let free = (try? FreeSpace(store.path).bytes) ?? 0
        return IcecoreError(
            .noSpace,
            "\(error.message). A prune writes what it changes in the index before it removes anything, which takes up to "
                + "\(need) bytes, and '\(store.path)' has \(free) free: move something else off this disk. Nothing was pruned",
            cause: error.cause, errno: error.errno)
    }

    private func prune() throws -> PruneOutcome {
        if !isDryRun {
            var store = store
            try store.bringToCurrentFormat()
            // They name header sets that may go.
            try ArrivedHeaders.remove(in: store.temporaryPath)
        }
        let reader = try store.reader()
        let points = reader.timeline.kept
        guard let newest = points.last else { return PruneOutcome() }
        try refuseFuture(newest)
        let kept = rules.kept(points)
        var outcome = PruneOutcome()
        outcome.horizon = rules.horizon(newest)
        if prefix == nil { outcome.horizon = max(outcome.horizon, reader.timeline.horizon) }
        let dropped = prefix == nil ? points.filter { !kept.contains($0.id) } : []
        outcome.droppedSnapshots = dropped.map(\.name)
        outcome.keptSnapshots = points.filter { point in !dropped.contains { $0.id == point.id } }.map(\.name)

        let contents = try PruneContents(directory: store.temporaryPath)
        try reader.doomedBlobs { name, _ in try contents.add(blob: name) }
        try contents.addContents(ofOpaque: reader)
        let search = PruneSearch(contents)
        try walk(reader, kept, outcome.horizon, search)
        outcome.droppedContents = search.contentCount
        outcome.droppedVersions = search.versionCount
        outcome.droppedVersionBytes = search.versionBytes
        if isDryRun {
            try walk(reader, kept, outcome.horizon, PruneRehearsal(contents))
            let plan = try planPacks(contents, reader)
            try count(contents, plan.expected, &outcome)
            return outcome
        }
        let writer = try PruneWriter(store, contents)
        try walk(reader, kept, outcome.horizon, writer)
        // Before the commit: afterwards, nothing tells which pieces belong to dropped contents.
        try removePartialFiles(contents)
        let plan = try planPacks(contents, reader)
        try writer.commit(
            reader, outcome, dropped: dropped.map(\.id), prefix: prefix ?? [])
        isCommitted = true
        reader.end()
        try removeInventories(reader.timeline, dropped)
        let packs = try removeBlobs(writer, contents, plan)
        try count(contents, packs, &outcome)
        if writer.hasForgottenFacts { try FactKeeper(store).compact() }
        return outcome
    }

    /// Finds the blobs that no row names, and decides which of those that lie in packs go.
    private func planPacks(_ contents: PruneContents, _ reader: IndexReader) throws -> PackPlan {
        try contents.findBlobs(store, reader)
        let plan = try PackPlan(store, contents)
        try contents.keepBlobs(inPacks: plan.staying)
        return plan
    }

    private func count(_ contents: PruneContents, _ packs: PrunedPacks, _ outcome: inout PruneOutcome) throws {
        (outcome.blobs, outcome.bytes) = try contents.count(staying: false)
        guard hadPacks else { return }
        var packs = packs
        (packs.deadBlobs, packs.deadBytes) = try contents.count(staying: true)
        outcome.packs = packs
    }

    /// `within` counts from the newest snapshot: a clock that was wrong when it was taken, or is wrong now, must be
    /// noticed before the prune.
    private func refuseFuture(_ newest: Timeline.Point) throws {
        let now = Timestamp.now()
        guard rules.within != nil, newest.takenAt.milliseconds - 86_400_000 > now.milliseconds else { return }
        throw IcecoreError(
            .invalidData,
            "the newest snapshot \(newest.name) is in the future by this machine's clock (\(now)): one of the two is "
                + "wrong, and --keep-within counts from that snapshot. Nothing was pruned: set the clock, or keep by "
                + "number, as with --keep-daily")
    }

    private func walk(
        _ reader: IndexReader, _ kept: Set<Int64>, _ horizon: Timestamp, _ visitor: PruneVisitor
    ) throws {
        let progress = self.progress
        try PruneWalk(reader, kept: kept, horizon: horizon, prefix: prefix, visitor) { progress(.looking(keys: $0)) }
            .run()
    }

    /// Removes pieces of contents that will not be requested again.
    private func removePartialFiles(_ contents: PruneContents) throws {
        let names = Set(try Files.names(in: store.temporaryPath))
        if names.isEmpty { return }
        try contents.forEach { etag, size in
            let path = PartialBlob.path(store, etag: etag, size: size)
            if names.contains(String(path.dropFirst(store.temporaryPath.count + 1))) { try PartialBlob.drop(path) }
        }
    }

    /// Removes the files of inventories whose snapshots are gone, including those that a stopped prune did not reach.
    private func removeInventories(_ timeline: Timeline, _ dropped: [Timeline.Point]) throws {
        let names = Set(timeline.points.filter(\.isPruned).map(\.name) + dropped.map(\.name))
        guard Files.exists(store.inventoriesPath) else { return }
        let found = try Files.names(in: store.inventoriesPath)
        try KeptInventory.remove(found.filter { names.contains($0) && InventoryName.isValid($0) }, store)
    }

    /// - Returns: what was done to packs.
    private func removeBlobs(
        _ writer: PruneWriter, _ contents: PruneContents, _ plan: PackPlan
    ) throws -> PrunedPacks {
        let count = try contents.count(staying: false).count
        var done = 0
        try forEachDoomed(contents) { blobs in
            for blob in blobs { try Files.remove(store.blobs.path(ofName: blob.name)) }
            let names = blobs.filter { !$0.isPacked }.map(\.name)
            guard !names.isEmpty else { return }
            // First the names in the directories, then those in the index: what the index forgets must be gone.
            try store.blobs.synchronize()
            try writer.forgetDoomed(names)
            done += names.count
            progress(.removing(blobs: done, of: count))
        }
        let cleaner = PackCleaner(store, contents, progress: progress)
        try cleaner.run(plan)
        try contents.keepBlobs(inPacks: cleaner.left)
        // What was moved into packs may have had files, too.
        if hadPacks { try store.blobs.synchronize() }
        try forEachDoomed(contents) { blobs in
            try writer.forgetDoomed(blobs.filter { $0.isPacked && !$0.stays }.map(\.name))
        }
        writer.checkpoint()
        return cleaner.outcome
    }

    private func forEachDoomed(
        _ contents: PruneContents, _ body: ([PruneContents.DoomedBlob]) throws -> Void
    ) throws {
        var last = ""
        while true {
            let blobs = try contents.doomed(after: last, limit: 4096)
            guard let name = blobs.last?.name else { return }
            try body(blobs)
            last = name
            try Interruption.check()
        }
    }
}

/// The first walk: which contents might go.
private final class PruneSearch: PruneVisitor {
    let changes = ChangeWriter(ChangeDiscard())
    private let contents: PruneContents
    private(set) var contentCount = 0
    private(set) var versionCount = 0
    private(set) var versionBytes: Int64 = 0

    init(_ contents: PruneContents) {
        self.contents = contents
    }

    func retains(_ row: borrowing EntryRow, prefix: [UInt8]) {}
    func removes(directory: Int64) {}

    func drops(_ version: StoredVersion, key: [UInt8], isRemoved: Bool) throws {
        let identity = version.evidence.identity
        if isRemoved {
            versionCount += 1
            versionBytes = versionBytes.addingClamped(identity.size)
        }
        guard let etag = identity.contentETag(key: key, version.flags) else { return }
        if !version.flags.contains(.pruned) { contentCount += 1 }
        try contents.add(etag, identity.size)
    }
}

/// The second walk of a dry run.
private final class PruneRehearsal: PruneVisitor {
    let changes = ChangeWriter(ChangeDiscard())
    private let contents: PruneContents

    init(_ contents: PruneContents) {
        self.contents = contents
    }

    func retains(_ row: borrowing EntryRow, prefix: [UInt8]) throws { try contents.strike(row, prefix: prefix) }
    func removes(directory: Int64) {}
    func drops(_ version: StoredVersion, key: [UInt8], isRemoved: Bool) {}
}
