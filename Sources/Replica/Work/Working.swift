import Basics
import Download
import S3
import Store

/// Works on the plans of a store in an object store, on a machine that has nothing of the store: `icecore work`.
public final class Working {
    /// How to work.
    public struct Options: Sendable {
        /// A directory of this machine for what is on its way.
        public var scratch: String
        /// How many bytes of contents may be there.
        public var spool = ObjectStore.usualSpool
        public var jobs = 64
        public var limitRate: Int64?
        /// Ends once there is nothing left to take.
        public var isOnce = false
        /// How to reach the source where that is not as the plan says.
        public var region: String?
        public var endpointURL: String?
        public var profile: String?
        public var noSignRequest = false
        /// Of the process.
        public var environment: [String: String]

        public init(scratch: String, environment: [String: String]) {
            self.scratch = scratch
            self.environment = environment
        }
    }

    /// What was done.
    public struct Outcome: Sendable {
        public var shards = 0
        public var fetched = 0
        public var bytes: Int64 = 0
    }

    private let replica: Replica
    private let options: Options
    private let note: (String) -> Void
    private let progress: (Outcome) -> Void
    private var outcome = Outcome()
    private var claims: [String: ShardClaims] = [:]

    /// - Parameters:
    ///   - note: called with remarks for people.
    ///   - progress: called several times a second.
    public init(
        _ url: ReplicaURL, _ access: ReplicaOptions, _ options: Options, note: @escaping (String) -> Void,
        progress: @escaping (Outcome) -> Void
    ) throws {
        guard case .bucket = url else {
            throw IcecoreError(.usage, "\(url) is not in an object store: give s3://BUCKET/PREFIX")
        }
        replica = try Replica(url, access)
        guard replica.marker != nil else {
            throw IcecoreError(
                .notFound, "there is no store at \(url): 'icecore init --blobs' and a first sync make one")
        }
        self.options = options
        self.note = note
        self.progress = progress
    }

    /// Works until there is nothing to do any more, or for ever.
    public func run() throws -> Outcome {
        try Files.createDirectories(options.scratch)
        try WorkScratch.removeLeftovers(in: options.scratch)
        var isIdle = false
        while true {
            try Interruption.check()
            let (worked, isOver) = try look()
            if worked {
                isIdle = false
                continue
            }
            if isOver, options.isOnce { return outcome }
            if !isIdle, isOver { note("nothing to do at \(replica.url): waiting for a sync") }
            isIdle = true
            try ShardWork.pause(seconds: isOver ? 10 : 2)
        }
    }

    /// - Returns: whether a shard was worked on; and whether nothing is left of any plan.
    private func look() throws -> (worked: Bool, isOver: Bool) {
        var isOver = true
        for (sync, state) in try WorkBoard(replica.storage).syncs.sorted(by: { $0.key < $1.key }) where state.isPlanned
        {
            guard let plan = try replica.plan(sync) else { continue }
            if plan.isExclusive ?? false {
                throw IcecoreError(
                    .unsupported,
                    "the server at \(replica.url) does not support conditional writes, so only the machine that syncs "
                        + "can work on \(plan.inventory)")
            }
            if state.done.count < plan.shards { isOver = false }
            guard try work(plan) else { continue }
            // Its own list of what is free saves listing everything each time.
            while try work(plan) { try Interruption.check() }
            return (true, false)
        }
        return (false, isOver)
    }

    private func work(_ plan: WorkPlan) throws -> Bool {
        var source = plan.source
        source.region = options.region ?? source.region
        source.endpointURL = options.endpointURL ?? source.endpointURL
        if options.noSignRequest { source.noSignRequest = true }
        let before = outcome
        let worker = ShardWorker(
            replica,
            ShardWorker.Options(
                scratch: options.scratch, spool: options.spool, jobs: options.jobs, limitRate: options.limitRate,
                source: source, profile: options.profile, environment: options.environment)
        ) { [self] now in
            outcome.fetched = before.fetched + now.fetched
            outcome.bytes = before.bytes + now.bytes
            progress(outcome)
        }
        let claims = self.claims[plan.sync] ?? ShardClaims(replica, plan, worker: worker.name)
        self.claims[plan.sync] = claims
        guard try ShardWork.next(worker, claims, plan) else { return false }
        outcome.shards += 1
        progress(outcome)
        return true
    }
}
