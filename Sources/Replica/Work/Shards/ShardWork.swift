import Basics
import Glibc

/// What all who work on a plan do alike.
enum ShardWork {
    /// Works on the next shard.
    ///
    /// - Returns: false if there was none to take.
    static func next(_ worker: ShardWorker, _ claims: ShardClaims, _ plan: WorkPlan) throws -> Bool {
        guard let (shard, lease) = try claims.next() else { return false }
        do {
            try worker.run(shard, plan, lease)
            claims.settle(shard)
        } catch is ShardWorker.Lost {
            // Another machine has it. If that fails as well, its lease runs out.
            lease?.end()
        } catch {
            lease?.release()
            // Whoever comes too late finds that what it was sending is gone.
            if lease != nil, !Interruption.isRequested, try worker.replica.plan(plan.sync) == nil { return true }
            throw error
        }
        return true
    }

    /// Waits, and ends early with a request to stop.
    static func pause(seconds: Double) throws {
        let end = MonotonicClock.milliseconds() + UInt64(seconds * 1000)
        while MonotonicClock.milliseconds() < end {
            try Interruption.check()
            usleep(100_000)
        }
    }
}
