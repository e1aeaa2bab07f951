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

/// One shard, from its document to its result.
final class ShardJob {
    private let replica: Replica
    private let scratch: WorkScratch
    private let plan: WorkPlan
    private let shard: WorkShard
    private let lease: ShardLease?
    private let options: ShardWorker.Options
    private let roundBytes: Int64
    private let progress: (DownloadSummary) -> Void
    private let client: S3Client
    private var result: ShardResult
    private var summary = DownloadSummary()
    /// Paths of packs that were sent, or were about to be.
    private(set) var sentPacks: [String] = []
    private var knownPacks: Set<PackName> = []
    private var store: Store { scratch.store }

    init(
        _ replica: Replica, _ scratch: WorkScratch, _ plan: WorkPlan, _ shard: WorkShard, _ lease: ShardLease?,
        _ options: ShardWorker.Options, roundBytes: Int64, worker: String, progress: @escaping (DownloadSummary) -> Void
    ) throws {
        self.replica = replica
        self.scratch = scratch
        self.plan = plan
        self.shard = shard
        self.lease = lease
        self.options = options
        self.roundBytes = roundBytes
        self.progress = progress
        result = ShardResult(shard: shard.shard, worker: worker, doneAt: "")
        var loopOptions = TransferLoop.Options()
        loopOptions.bandwidthLimit = options.limitRate
        client = try S3Client(scratch.store, environment: options.environment, loopOptions: loopOptions)
    }

    func run() throws -> ShardResult {
        try client.resolveCredentials()
        var round: [FetchRequest] = []
        var bytes: Int64 = 0
        var last: ContentKey?
        var headers = shard.wants.filter { $0.headersOnly ?? false }.map(\.request)
        for want in try stream(&headers) {
            if want.content != last {
                if bytes.addingClamped(want.size) > roundBytes, !round.isEmpty {
                    try fetch(round, headers: [])
                    (round, bytes) = ([], 0)
                }
                bytes = bytes.addingClamped(want.size)
                last = want.content
            }
            round.append(want)
        }
        try fetch(round, headers: headers)
        try collect()
        result.doneAt = Timestamp.now().rfc3339
        result.abandoned = lease.flatMap { $0.abandoned.isEmpty ? nil : $0.abandoned }
        result.tally = DownloadTally(summary)
        return result
    }

    /// Sends what is large and has a name that its bytes can be checked by on the way.
    ///
    /// - Parameter headers: gets those whose headers are still to be asked for.
    /// - Returns: everything else that is wanted, in its order.
    private func stream(_ headers: inout [FetchRequest]) throws -> [FetchRequest] {
        var rest: [FetchRequest] = []
        var large: [FetchRequest] = []
        for planned in shard.wants where planned.headersOnly != true {
            let want = planned.request
            let isNamed = !want.isFiledByVersion && !want.isOpaque && want.etag.verbatim == nil
            if want.size >= plan.streamFrom, isNamed, plan.source.hasOpaqueETags != true,
                large.last?.content != want.content
            {
                large.append(want)
            } else {
                rest.append(want)
            }
        }
        guard !large.isEmpty else { return rest }
        let streams = ContentStreams(client, scratch.store.configuration.bucket, replica) { [lease] in
            lease?.isLost ?? false
        }
        let outcomes = try streams.run(large)
        var sent: Set<ContentKey> = []
        for (want, outcome) in zip(large, outcomes) {
            guard case .sent(let parts) = outcome else { continue }
            sent.insert(want.content)
            result.blobs.append(BlobName.etag(want.etag, size: want.size).file)
            if let fact = BlobFact(etag: want.etag, size: want.size, parts: parts, sha256: nil) {
                result.facts.append(DoneFact(fact))
            }
            if plan.keepsHeaders { headers.append(want) }
            var tally = DownloadTally()
            (tally.fetched, tally.bytes) = (1, want.size)
            summary.add(tally)
            progress(summary)
        }
        // What could not be had that way is asked for as usual, which says why; or through another version.
        for (want, outcome) in zip(large, outcomes) {
            if case .failed = outcome { rest.append(want) }
        }
        let others = rest.filter { sent.contains($0.content) }
        headers += others.filter(\.wantsHeaders)
        var tally = DownloadTally()
        (tally.shared, tally.sharedBytes) = (others.count, others.reduce(0) { $0.addingClamped($1.size) })
        summary.add(tally)
        return try rest.filter { want in
            if sent.contains(want.content) { return false }
            guard want.size > roundBytes else { return true }
            try refuse(want)
            return false
        }
    }

    /// Records that a content does not fit into the spool, and cannot do without it.
    private func refuse(_ want: FetchRequest) throws {
        let reason =
            "its \(want.size.of("byte")) do not fit into the spool, and cannot be checked on their way without it: set "
            + "\"spool\" in icecore.json, or --spool"
        var tally = DownloadTally()
        tally.failed = 1
        tally.examples = ["\(String(decoding: want.key, as: UTF8.self)): \(reason)"]
        summary.add(tally)
        result.failures.append(
            DoneFailure(
                want: PlannedWant(want, headersOnly: false), kind: FetchFailure.missing.rawValue, reason: reason))
    }

    private func fetch(_ round: [FetchRequest], headers: [FetchRequest]) throws {
        guard !round.isEmpty || !headers.isEmpty else { return }
        if lease?.isLost ?? false { throw ShardWorker.Lost() }
        let wants = try FetchQueue(directory: store.temporaryPath)
        for want in round { try wants.append(want) }
        let headerWants = try FetchQueue(directory: store.temporaryPath)
        for want in headers { try headerWants.append(want) }
        let before = summary
        // Whether the source is to be believed is decided over all shards.
        let downloader = try Downloader(
            store, client, wants: wants, headerWants: headerWants,
            headers: plan.keepsHeaders ? .arrived(directory: store.temporaryPath) : .nowhere, jobs: options.jobs,
            acceptsLosses: true
        ) { [progress] now in
            var shown = before
            shown.add(DownloadTally(now))
            progress(shown)
        }
        summary.add(DownloadTally(try downloader.run()))
        try send()
    }

    // MARK: - To the object store

    /// Sends what has arrived, and removes it from the disk.
    private func send() throws {
        _ = try store.packs.refresh()
        var jobs: [(UploadJob, path: String)] = []
        let connection = try IndexReader(path: store.indexPath)
        try scratch.forEachBlob { name in
            let path = store.blobs.path(ofName: name.file)
            var parts: PartLayout?
            if case .etag(let etag, let size) = name, etag.parts > 0 {
                parts = try connection.blobFacts(etag: etag, size: size).parts
            }
            jobs.append((UploadJob(item: .blob(name), payload: .blob(.file(path), name, parts: parts)), path))
        }
        connection.end()
        var packs: [DonePack] = []
        for name in (try store.packs.current()?.packs ?? [:]).values where !knownPacks.contains(name) {
            let path = store.packs.folder.path(of: name)
            let pack = try PackFile(path: path)
            let item = ReplicaItem.pack(name, size: pack.size)
            packs.append(
                DonePack(path: item.path, size: pack.size, contents: pack.count, contentBytes: pack.contentBytes))
            jobs.append(
                (
                    UploadJob(
                        item: item,
                        payload: .blob(
                            .file(path), .sha256(name.digest, size: pack.size), parts: .even(PackFeed.partLength))),
                    path
                ))
            knownPacks.insert(name)
        }
        // Written down first: whoever finds the lease knows what may be there.
        if try lease?.note(packs.map(\.path)) == false { throw ShardWorker.Lost() }
        sentPacks += packs.map(\.path)
        try send(jobs)
        result.packs += packs
    }

    private func send(_ jobs: [(UploadJob, path: String)]) throws {
        var following = 0
        try replica.storage.upload(
            {
                try Interruption.check()
                guard following < jobs.count else { return nil }
                defer { following += 1 }
                return jobs[following].0
            }, journal: NoUploadJournal()
        ) { job, outcome in
            guard case .damaged(let reason) = outcome else {
                if case .blob(let name)? = job.item { result.blobs.append(name.file) }
                return
            }
            throw IcecoreError(.damaged, "'\(job.path)' was damaged on its way over this disk: \(reason)")
        } progress: { _ in
        }
        for (_, path) in jobs { try Files.remove(path) }
    }

    // MARK: - The result

    /// Gathers what the scratch store's index has learnt.
    private func collect() throws {
        if !knownPacks.isEmpty {
            let bytes = try Files.read(store.packs.folder.cataloguePath, limit: WorkFormat.limit)
            result.catalogue = Data(bytes).base64EncodedString()
        }
        let connection = try Connection(store.indexPath, readOnly: true)
        try connection.forEachFact { result.facts.append(DoneFact($0)) }
        var wants: [[UInt8]: Int] = [:]
        func name(_ key: [UInt8], _ versionId: [UInt8], _ etag: [UInt8]) -> [UInt8] {
            key + [0] + versionId + [0] + etag
        }
        for (place, planned) in shard.wants.enumerated() {
            let want = planned.request
            wants[name(want.key, want.versionId ?? [], want.etag.bytesOfRow)] = place
        }
        let reader = try IndexReader(path: store.indexPath)
        try reader.failures { failure in
            let etag = ETag(Array(failure.etag.utf8)).bytesOfRow
            if let place = wants[name(failure.key, failure.versionId ?? [], etag)] {
                result.failures.append(
                    DoneFailure(want: shard.wants[place], kind: failure.kind.rawValue, reason: failure.reason))
            }
            return true
        }
        if let arrived = try ArrivedHeaders.left(in: store.temporaryPath) {
            try arrived.forEach { key, versionId, etag, learnt in
                guard let place = wants[name(key, versionId, etag)] else { return }
                let headers = try reader.headers(set: learnt.set, isComplete: learnt.isComplete)
                var want = shard.wants[place]
                want.known = nil
                result.headers.append(
                    DoneHeaders(
                        want: want, headers: headers.flatMap { $0.isPlain ? nil : $0.json },
                        isComplete: learnt.isComplete))
            }
        }
        reader.end()
    }
}
