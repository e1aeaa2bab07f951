import Basics
import Download
import Glibc
import Merge
import Packs
import Store

/// What a sync of a store in an object store does beyond any other: it plans, works together with others, takes in what they
/// have done, and ends with what a push does.
public final class ObjectStoreSync: ContentFetching {
    private let replica: Replica
    private let place: ObjectStore
    private let environment: [String: String]
    private let lease: Int
    private let acceptsLosses: Bool
    private let note: (String) -> Void
    private var store: Store
    private var records: ReplicaRecords?
    private var isShared = true
    private var job: ContentFetch?

    /// How long a lease lasts without being renewed, in seconds.
    public static let usualLease = 120

    /// - Parameters:
    ///   - store: which has its contents in an object store.
    ///   - lease: in seconds; how long others wait before they take what a machine has left.
    ///   - acceptsLosses: the source is believed even if it denies most of the contents.
    ///   - note: called with remarks for people.
    public init(
        _ store: Store, jobs: Int, limitRate: Int64?, acceptsLosses: Bool, lease: Int = ObjectStoreSync.usualLease,
        environment: [String: String], note: @escaping (String) -> Void
    ) throws {
        guard let place = store.configuration.objectStore else {
            throw IcecoreError(.usage, "'\(store.path)' has its contents on its own disk")
        }
        self.place = place
        self.store = store
        self.environment = environment
        self.lease = lease
        self.acceptsLosses = acceptsLosses
        self.note = note
        replica = try Replica(ReplicaURL(place.url), place.options(environment, jobs: jobs, limitRate: limitRate))
    }

    // MARK: - Before the merge

    public func prepare(_ store: Store) throws {
        self.store = store
        let marker = try replica.begin(for: store, format: ReplicaFormat.current)
        guard marker.storeId == store.configuration.storeId, marker.replicaId == place.replicaId else {
            throw IcecoreError(
                .busy,
                "\(replica.url) is another store's (\(marker.storeId)): a store needs a place of its own in the object "
                    + "store")
        }
        try tryConditions()
        let records = try ReplicaRecords(store, replicaId: place.replicaId)
        self.records = records
        try learn(records)
        let board = try WorkBoard(replica.storage)
        for (sync, state) in board.syncs.sorted(by: { $0.key < $1.key }) {
            if state.isPlanned, let plan = try replica.plan(sync) {
                note(
                    "going on with what the sync of \(plan.inventory) has planned: \(state.done.count) of "
                        + "\(plan.shards.of("shard")) \(state.done.count == 1 ? "is" : "are") done")
                _ = try finish(plan, job: nil)
                try retire(plan)
            } else {
                try clear(sync, state)
            }
        }
    }

    private func tryConditions() throws {
        let path = "tmp/probe-\(Hex.encode((0..<8).map { _ in UInt8.random(in: 0 ... .max) }))"
        guard let reason = try replica.storage.reasonAgainstExchange(tryingAt: path) else { return }
        isShared = false
        note(
            "the server at \(replica.url) does not support conditional writes (\(reason)): this machine works alone, and "
                + "no other may sync this store")
    }

    /// Learns from the replica what is there, if the records do not know: they were lost, or are a copy's.
    private func learn(_ records: ReplicaRecords) throws {
        guard let head = try replica.head() else { return }
        if try records.baseSnapshot != head.latest.snapshot {
            try records.forgetListed()
            try replica.forEachItem(head.metadata, warn: note) { item in
                try Interruption.check()
                try records.set(item.name, .listed)
            }
            try records.setBaseSnapshot(head.latest.snapshot)
            try records.commit()
        }
        guard let catalogue = head.metadata.catalogue,
            Int64(try store.packs.current()?.packs.count ?? 0) < catalogue.packs
        else { return }
        note("the catalogue of packs is read from the object store again")
        try PackKeeper.prepare(&store)
        let path = "\(store.temporaryPath)/shards.packs"
        try catalogue.assemble(at: path) { try replica.content($0) }
        try PackKeeper(store).commit(catalogues: [try PackCatalogue(path: path)])
        try Files.remove(path)
    }

    // MARK: - Fetching

    public func fetch(_ wants: FetchQueue, headers: FetchQueue, _ job: ContentFetch) throws -> DownloadSummary {
        store = job.store
        self.job = job
        guard
            let plan = try PlanWriter.write(
                wants, headers: headers, job, place, replica,
                source: WorkSource(
                    store.configuration, requesterPays: job.requesterPays, environment: environment),
                isShared: isShared, lease: lease)
        else { return DownloadSummary() }
        defer { finished = plan }
        return try finish(plan, job: job)
    }

    /// The plan whose results wait for the commit.
    private var finished: WorkPlan?

    /// Works on a plan until all of its shards are done, whoever does them, and takes in the results.
    private func finish(_ plan: WorkPlan, job: ContentFetch?) throws -> DownloadSummary {
        guard let records else { throw IcecoreError(.usage, "the sync has not been prepared") }
        try PackKeeper.prepare(&store)
        let merge = try ResultMerge(replica, store, records, plan, acceptsLosses: acceptsLosses)
        let worker = ShardWorker(
            replica,
            ShardWorker.Options(
                scratch: store.temporaryPath, spool: place.spool, jobs: job?.jobs ?? 64, limitRate: job?.limitRate,
                source: nil, profile: store.configuration.profile, environment: environment)
        ) { now in
            guard let job else { return }
            var shown = merge.summary
            shown.add(DownloadTally(now))
            job.progress(shown)
        }
        let claims = ShardClaims(replica, plan, worker: worker.name)
        while true {
            try Interruption.check()
            let began = MonotonicClock.milliseconds()
            let board = try WorkBoard(replica.storage, sync: plan.sync)[plan.sync]
            for shard in board.done.sorted() where !merge.merged.contains(shard) {
                try Interruption.check()
                try merge.take(shard, of: plan)
                job?.progress(merge.summary)
            }
            if merge.merged.count >= plan.shards {
                guard let denial = try merge.finish() else { return merge.summary }
                // The next sync plans anew what did not come.
                try retire(plan)
                throw denial
            }
            // Between two looks at what others have done, which take longer the more there is.
            let listed = MonotonicClock.milliseconds()
            let pause = max(2000, 10 * (listed - began))
            repeat {
                try Interruption.check()
                // Others may have the rest.
                if try !ShardWork.next(worker, claims, plan) { try ShardWork.pause(seconds: 1) }
            } while MonotonicClock.milliseconds() - listed < pause && !claims.isExhausted
        }
    }

    // MARK: - After the commit

    public func publish() throws {
        records = nil
        _ = try Push(store, replica, isConditional: isShared, pruneGrace: nil, note: note) { _ in }.run()
        if let finished { try retire(finished) }
        finished = nil
    }

    /// Ends a plan: nobody begins anything of it any more. What results name stays for the next sync to remove.
    private func retire(_ plan: WorkPlan) throws {
        try replica.storage.remove([WorkFormat.planPath(plan.sync)])
        try clear(plan.sync, WorkBoard(replica.storage, sync: plan.sync)[plan.sync], keepsDone: true)
        try replica.abortUploadsOfContents()
    }

    /// Removes what is left of a sync that is over, or whose plan was never written: also packs that no result names.
    private func clear(_ sync: String, _ state: WorkBoard.Sync, keepsDone: Bool = false) throws {
        var paths: [String] = []
        for shard in state.leases.sorted() {
            guard let lease = try replica.lease(shard, of: sync) else { continue }
            let path = WorkFormat.leasePath(shard, of: sync)
            paths += try replica.checkedPacks(lease.document.packs + lease.document.abandoned, path)
        }
        for shard in state.done.sorted() {
            let path = WorkFormat.donePath(shard, of: sync)
            guard let bytes = try replica.storage.read(path, limit: WorkFormat.limit)?.bytes else { continue }
            let result = try WorkFormat.decompress(ShardResult.self, bytes, replica.place(path))
            paths += try replica.checkedPacks(result.packPaths + (result.abandoned ?? []), path)
        }
        let known = Set((try store.packs.current()?.packs ?? [:]).values.map { "packs/\($0.path)" })
        try replica.storage.remove(paths.filter { !known.contains($0) })
        try replica.storage.remove(state.leases.sorted().map { WorkFormat.leasePath($0, of: sync) })
        try replica.storage.remove(state.shards.sorted().map { WorkFormat.shardPath($0, of: sync) })
        if !keepsDone {
            try replica.storage.remove(state.done.sorted().map { WorkFormat.donePath($0, of: sync) })
        }
    }
}
