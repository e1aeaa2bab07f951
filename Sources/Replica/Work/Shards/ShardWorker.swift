import Basics
import Blobs
import Download
import Foundation
import Index
import Merge
import Model
import Packs
import S3
import SQLite
import Store
import Upload

/// Works on one shard after the other: fetches its contents from the source, sends them to the object store, and says what it
/// has done. The same on the machine that syncs and on all others.
///
/// Contents come in rounds that fit into the spool. Those of a round are checked as they arrive, packed where they are small,
/// sent, and removed from the disk; then the next round begins. What is large goes in parts from the one server to the other.
final class ShardWorker {
    struct Options {
        /// A directory of this machine for what is on its way.
        var scratch: String
        /// How many bytes of contents may be there.
        var spool: Int64
        /// The most requests in flight.
        var jobs: Int
        var limitRate: Int64?
        /// How to reach the source; nil: as the plan says.
        var source: WorkSource?
        var profile: String?
        /// Of the process.
        var environment: [String: String]
    }

    /// The shard belongs to another machine now.
    struct Lost: Error {}

    let replica: Replica
    private let options: Options
    /// Names this process of this machine.
    let name: String
    private let progress: (DownloadSummary) -> Void

    /// - Parameter progress: called several times a second with what the shard under way has come to.
    init(_ replica: Replica, _ options: Options, progress: @escaping (DownloadSummary) -> Void) {
        self.replica = replica
        self.options = options
        self.progress = progress
        name =
            "\(ProcessInfo.processInfo.hostName) (process \(getpid())) "
            + Hex.encode((0..<6).map { _ in UInt8.random(in: 0 ... .max) })
    }

    /// How many bytes one round may have: the rest is for the index of the round, and for what is not full yet.
    private var roundBytes: Int64 { options.spool / 8 * 7 }

    /// Works on a shard, and writes its result.
    ///
    /// - Parameter lease: nil: nobody else works.
    /// - Throws: ``Lost`` if the shard is another's; what it has sent is removed then, as far as it is named nowhere.
    func run(_ shard: Int, _ plan: WorkPlan, _ lease: ShardLease?) throws {
        let storage = replica.storage
        let path = WorkFormat.shardPath(shard, of: plan.sync)
        guard let bytes = try storage.read(path, limit: WorkFormat.limit)?.bytes else { throw Lost() }
        let document = try WorkFormat.decompress(WorkShard.self, bytes, replica.place(path))
        try document.check(replica.place(path))
        let scratch = try WorkScratch(
            in: options.scratch, plan, options.source ?? plan.source, profile: options.profile)
        defer { scratch.remove() }
        let job = try ShardJob(
            replica, scratch, plan, document, lease, options, roundBytes: roundBytes, worker: name, progress: progress)
        do {
            let result = try job.run()
            let written = try WorkFormat.compress(result)
            if try !finish(plan, shard, written, isExclusive: lease == nil) { throw Lost() }
        } catch is Lost {
            try removePacks(job.sentPacks, unlessNamedBy: shard, plan)
            throw Lost()
        }
        lease?.end()
        try? storage.remove([WorkFormat.leasePath(shard, of: plan.sync)])
    }

    /// Writes the result; false if there is another.
    private func finish(_ plan: WorkPlan, _ shard: Int, _ result: [UInt8], isExclusive: Bool) throws -> Bool {
        let path = WorkFormat.donePath(shard, of: plan.sync)
        if isExclusive {
            try replica.storage.write(path, result)
            return true
        }
        return try replica.storage.replace(path, result, expecting: nil) != nil
    }

    /// Removes packs that this process alone can name, and has not.
    private func removePacks(_ sent: [String], unlessNamedBy shard: Int, _ plan: WorkPlan) throws {
        guard !sent.isEmpty else { return }
        let path = WorkFormat.donePath(shard, of: plan.sync)
        var named: Set<String> = []
        if let done = try replica.storage.read(path, limit: WorkFormat.limit)?.bytes {
            named = Set(try WorkFormat.decompress(ShardResult.self, done, replica.place(path)).packPaths)
        }
        try replica.storage.remove(sent.filter { !named.contains($0) })
    }
}
