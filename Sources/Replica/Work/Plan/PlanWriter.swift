import Basics
import Download
import Foundation
import Merge
import Model
import Store

/// Divides what a sync wants among shards, and writes them, the plan last.
struct PlanWriter {
    private let replica: Replica
    private let job: ContentFetch
    private let place: ObjectStore
    private let sync: String
    private let shardContents: Int
    private let shardBytes: Int64
    private var shards = 0
    private var contents = 0
    private var bytes: Int64 = 0
    private var wants: [PlannedWant] = []
    private var wantedContents = 0
    private var wantedBytes: Int64 = 0

    /// The most and the fewest contents of a shard, unless they are large; and how many shards there are to be at least.
    private static let most = 4000
    private static let fewest = 128
    private static let leastShards = 64
    private static let mostBytes: Int64 = 64 << 30
    private static let fewestBytes: Int64 = 1 << 30

    /// Writes what is not there yet; nil if nothing is wanted.
    static func write(
        _ wants: FetchQueue, headers: FetchQueue, _ job: ContentFetch, _ place: ObjectStore, _ replica: Replica,
        source: WorkSource, isShared: Bool, lease: Int
    ) throws -> WorkPlan? {
        var writer = PlanWriter(job, place, replica)
        return try writer.run(wants, headers, source, isShared: isShared, lease: lease)
    }

    private init(_ job: ContentFetch, _ place: ObjectStore, _ replica: Replica) {
        self.job = job
        self.place = place
        self.replica = replica
        let time = Timestamp(milliseconds: Timestamp.now().milliseconds / 1000 * 1000).rfc3339
        let random = Hex.encode((0..<6).map { _ in UInt8.random(in: 0 ... .max) })
        sync = "\(time.filter { $0 != "-" && $0 != ":" })-\(random)"
        shardContents = min(PlanWriter.most, max(PlanWriter.fewest, job.count / PlanWriter.leastShards))
        shardBytes = min(
            PlanWriter.mostBytes, max(PlanWriter.fewestBytes, job.bytes / Int64(PlanWriter.leastShards)))
    }

    private mutating func run(
        _ queue: FetchQueue, _ headers: FetchQueue, _ source: WorkSource, isShared: Bool, lease: Int
    ) throws -> WorkPlan? {
        let reader = try job.store.reader()
        defer { reader.end() }
        var last: (content: ContentKey, isThere: Bool)?
        try queue.forEachTogether { want in
            try Interruption.check()
            var isThere = false
            if let last, last.content == want.content {
                isThere = last.isThere
            } else {
                isThere = try job.store.has(etag: want.contentETag, size: want.size, reader)
                last = (want.content, isThere)
                if !isThere { try begin(want) }
            }
            if !isThere {
                wants.append(PlannedWant(want, headersOnly: false))
            } else if want.wantsHeaders {
                try add(headersOf: want)
            }
        }
        while let want = try headers.next() { try add(headersOf: want) }
        try writeShard()
        guard shards > 0 else { return nil }
        let configuration = job.store.configuration
        let plan = WorkPlan(
            storeId: configuration.storeId, sync: sync, inventory: job.inventory, plannedAt: Timestamp.now().rfc3339,
            plannedBy: "icecore on \(ProcessInfo.processInfo.hostName)", shards: shards, contents: wantedContents,
            bytes: wantedBytes, lease: lease, isExclusive: isShared ? nil : true,
            source: source, packBelow: configuration.packLimit,
            streamFrom: place.streamFrom, keepsHeaders: job.keepsHeaders)
        try replica.storage.write(WorkFormat.planPath(sync), try WorkFormat.encode(plan))
        return plan
    }

    /// Another content: it goes into the next shard if this one is full.
    private mutating func begin(_ want: FetchRequest) throws {
        if contents >= shardContents || (contents > 0 && bytes.addingClamped(want.size) > shardBytes) {
            try writeShard()
        }
        contents += 1
        bytes = bytes.addingClamped(want.size)
        wantedContents += 1
        wantedBytes = wantedBytes.addingClamped(want.size)
    }

    private mutating func add(headersOf want: FetchRequest) throws {
        if contents >= shardContents { try writeShard() }
        contents += 1
        wants.append(PlannedWant(want, headersOnly: true))
    }

    private mutating func writeShard() throws {
        guard !wants.isEmpty else { return }
        let document = WorkShard(shard: shards, wants: wants)
        try replica.storage.write(
            WorkFormat.shardPath(shards, of: sync), try WorkFormat.compress(document))
        shards += 1
        (wants, contents, bytes) = ([], 0, 0)
    }
}
