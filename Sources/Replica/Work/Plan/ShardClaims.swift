import Basics

/// Takes shards of one plan for this process: those that nobody has, and those whose lease has run out.
final class ShardClaims {
    private let replica: Replica
    private let plan: WorkPlan
    private let worker: String
    private var watch = LeaseWatch()
    private var board = WorkBoard.Sync()
    private var free: [Int] = []
    private var listedAt: UInt64 = 0
    /// Shards that were taken here, and whose result was refused or is written.
    private var settled: Set<Int> = []

    /// How long a listing is believed, in milliseconds, while there are shards to take: longer if it took long.
    private var listingLasts: UInt64 = 60_000

    init(_ replica: Replica, _ plan: WorkPlan, worker: String) {
        self.replica = replica
        self.plan = plan
        self.worker = worker
    }

    /// The next shard to work on; nil: others have the rest, or there is none.
    func next() throws -> (shard: Int, lease: ShardLease?)? {
        let age = MonotonicClock.milliseconds() - listedAt
        if age > listingLasts || (free.isEmpty && age > listingLasts / 60) { try list() }
        while let shard = free.popLast() {
            if settled.contains(shard) { continue }
            if plan.isExclusive ?? false { return (shard, nil) }
            if let lease = try claim(shard, after: nil) { return (shard, lease) }
        }
        for shard in board.leases.subtracting(board.done).sorted() where !settled.contains(shard) {
            try Interruption.check()
            let path = WorkFormat.leasePath(shard, of: plan.sync)
            guard let lease = try replica.lease(shard, of: plan.sync) else { continue }
            guard watch.hasRunOut(path, lease.tag, lease.document, seconds: plan.lease) else { continue }
            if let taken = try claim(shard, after: lease) { return (shard, taken) }
        }
        return nil
    }

    /// Nothing is left to do of a shard here.
    func settle(_ shard: Int) { settled.insert(shard) }

    /// Whether there was nothing left to take at the last look: others may have the rest.
    var isExhausted: Bool { free.isEmpty }

    private func claim(_ shard: Int, after earlier: (document: LeaseDocument, tag: String)?) throws -> ShardLease? {
        let path = WorkFormat.leasePath(shard, of: plan.sync)
        guard
            let lease = try ShardLease(
                replica.storage, path, worker: worker, seconds: plan.lease, after: earlier)
        else { return nil }
        // Whoever had it may have finished it meanwhile, and the sync all of it.
        let done = WorkFormat.donePath(shard, of: plan.sync)
        if try replica.storage.read(done, limit: WorkFormat.limit) != nil || replica.plan(plan.sync) == nil {
            lease.end()
            try replica.storage.remove([path])
            settle(shard)
            return nil
        }
        return lease
    }

    private func list() throws {
        let began = MonotonicClock.milliseconds()
        board = try WorkBoard(replica.storage, sync: plan.sync)[plan.sync]
        listedAt = MonotonicClock.milliseconds()
        listingLasts = max(60_000, 20 * (listedAt - began))
        free = board.shards.subtracting(board.done).subtracting(board.leases).sorted()
        // Machines begin at different places, so that they seldom try for the same shard.
        if plan.isExclusive != true, free.count > 1 {
            let start = Int.random(in: 0..<free.count)
            free = Array(free[start...] + free[..<start])
        }
        free.reverse()
    }
}
