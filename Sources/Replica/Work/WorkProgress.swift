import Basics
import Store

/// How far the work is that a sync of a store in an object store has planned, as the object store says.
public struct WorkProgress: Sendable {
    /// The inventory's name.
    public var inventory: String
    /// RFC 3339.
    public var plannedAt: String
    public var shards = 0
    public var done = 0
    /// Who works on shards that are not done, and since when (RFC 3339). Some of them may have been killed.
    public var underWay: [(shard: Int, worker: String, since: String)] = []

    /// Looks; there is more than one only after a sync was killed.
    ///
    /// - Throws: also if the object store cannot be reached.
    public static func read(_ store: Store, environment: [String: String]) throws -> [WorkProgress] {
        guard let place = store.configuration.objectStore else { return [] }
        let replica = try Replica(ReplicaURL(place.url), place.options(environment))
        guard replica.marker != nil else { return [] }
        var found: [WorkProgress] = []
        for (sync, state) in try WorkBoard(replica.storage).syncs.sorted(by: { $0.key < $1.key }) where state.isPlanned
        {
            guard let plan = try replica.plan(sync) else { continue }
            var progress = WorkProgress(inventory: plan.inventory, plannedAt: plan.plannedAt)
            (progress.shards, progress.done) = (plan.shards, state.done.count)
            for shard in state.leases.subtracting(state.done).sorted() {
                guard let lease = try replica.lease(shard, of: sync)?.document, lease.isReleased != true else {
                    continue
                }
                progress.underWay.append(
                    (
                        shard, Display.text(lease.worker, limit: 100), Display.text(lease.since, limit: 40)
                    ))
            }
            found.append(progress)
        }
        return found
    }
}
