import Basics
import Blobs
import Download
import Foundation
import Index
import Model
import Packs
import Store

/// Takes the results of shards into a store: what the index has to know, then what is where. All of it may be done twice.
///
/// Nothing of that is visible before the sync's commit; but the contents count as there, so that no other sync fetches them.
final class ResultMerge {
    private let replica: Replica
    private let store: Store
    private let records: ReplicaRecords
    private let index: BlobRecords
    private let facts: FactKeeper
    private(set) var merged: Set<Int> = []
    private(set) var summary = DownloadSummary()
    private var brake: FetchBrake
    /// Catalogues that are not part of the store's yet, as files: those of shards, and those that so many of them were merged
    /// into, and so on. Otherwise each entry would be written again with every few shards.
    private var catalogues: [[String]] = [[]]
    private var mergedFiles = 0
    /// How many are merged at a time.
    private static let width = 64

    init(_ replica: Replica, _ store: Store, _ records: ReplicaRecords, _ plan: WorkPlan, acceptsLosses: Bool) throws {
        self.replica = replica
        self.store = store
        self.records = records
        index = try BlobRecords(
            store, headers: plan.keepsHeaders ? .arrived(directory: store.temporaryPath) : .nowhere)
        facts = FactKeeper(store)
        let server = plan.source.endpointURL ?? "the source"
        brake = FetchBrake(acceptsLosses: acceptsLosses, latest: .max / 4, server: server)
        try index.forgetLosses()
    }

    deinit {
        for path in catalogues.joined() { try? Files.remove(path) }
    }

    /// Takes the result of a shard.
    func take(_ shard: Int, of plan: WorkPlan) throws {
        let path = WorkFormat.donePath(shard, of: plan.sync)
        guard let bytes = try replica.storage.read(path, limit: WorkFormat.limit)?.bytes else {
            throw IcecoreError(.damaged, "\(replica.place(path)) is missing")
        }
        let result = try WorkFormat.decompress(ShardResult.self, bytes, replica.place(path))
        _ = try replica.checkedPacks(result.packPaths, path)
        for pack in result.packs
        where pack.size < 0 || !(0...1 << 40).contains(pack.contents) || pack.contentBytes < 0 {
            throw damage(path)
        }
        guard result.tally.isPlausible else { throw damage(path) }
        try record(result, path)
        var (blobs, size) = (0, Int64(0))
        for file in result.blobs {
            guard let name = BlobName(file) else { throw damage(path) }
            let state = try records.state(of: file)
            if state == nil || state == .unconfirmed {
                (blobs, size) = (blobs + 1, size.addingClamped(name.size))
                try records.set(file, .uploaded)
            }
        }
        for pack in result.packs {
            guard let item = ReplicaItem(path: pack.path, size: pack.size), item.pack != nil else { throw damage(path) }
            if try records.state(of: item.name) == nil {
                try records.set(item.name, .uploaded)
                (blobs, size) = (blobs + pack.contents, size.addingClamped(pack.contentBytes))
            }
        }
        try index.count(blobs: blobs, bytes: size)
        try index.commit()
        try records.commit()
        if let text = result.catalogue {
            guard let catalogue = Data(base64Encoded: text) else { throw damage(path) }
            let file = "\(store.temporaryPath)/shard-\(shard).packs"
            try ReplicaCatalogue.write([UInt8](catalogue), to: file)
            try add(file, level: 0)
        }
        merged.insert(shard)
        summary.add(result.tally)
        brake.add(result.tally.denials)
    }

    private func damage(_ path: String) -> IcecoreError {
        IcecoreError(.damaged, "\(replica.place(path)) names something that is no content")
    }

    /// Records what comes before the contents count.
    private func record(_ result: ShardResult, _ path: String) throws {
        var found: [BlobFact] = []
        for done in result.facts {
            guard let fact = done.fact else { throw damage(path) }
            try index.add(etag: fact.etag, size: fact.size, parts: fact.parts, sha256: fact.sha256)
            found.append(fact)
        }
        for done in result.failures {
            let kind = FetchFailure(rawValue: done.kind) ?? .missing
            try index.add(done.want.request, kind, reason: Display.text(done.reason, limit: 1000))
        }
        for done in result.headers {
            let headers = done.headers.map { ObjectHeaders(json: Array($0.utf8)) } ?? ObjectHeaders()
            guard let headers else { throw damage(path) }
            try index.add(headers, isComplete: done.isComplete, of: done.want.request)
        }
        try index.commit()
        try facts.add(found)
    }

    private func add(_ file: String, level: Int) throws {
        if level == catalogues.count { catalogues.append([]) }
        catalogues[level].append(file)
        guard catalogues[level].count >= ResultMerge.width else { return }
        let group = catalogues[level]
        catalogues[level] = []
        try add(try join(group), level: level + 1)
    }

    private func join(_ group: [String]) throws -> String {
        mergedFiles += 1
        let path = "\(store.temporaryPath)/shards-\(mergedFiles).packs"
        var merge = CatalogueMerge()
        for file in group { try merge.append(try PackCatalogue(path: file), renumbering: { _ in true }) }
        try merge.write(to: path)
        for file in group { try Files.remove(file) }
        return path
    }

    /// Has the store's catalogue list the packs of results.
    private func listPacks() throws {
        var files = Array(catalogues.joined())
        while files.count > ResultMerge.width {
            files = Array(files.dropFirst(ResultMerge.width)) + [try join(Array(files.prefix(ResultMerge.width)))]
        }
        catalogues = [files]
        guard !files.isEmpty else { return }
        try PackKeeper(store).commit(catalogues: try files.map { try PackCatalogue(path: $0) })
        for path in files { try Files.remove(path) }
        catalogues = [[]]
    }

    /// Called when all results have been taken.
    ///
    /// - Returns: why the source is not believed, since it denies so much: its losses are forgotten then.
    func finish() throws -> IcecoreError? {
        try listPacks()
        if let error = brake.error(isAtEnd: true) {
            try index.forgetLosses()
            return error
        }
        try index.confirmLosses()
        return nil
    }
}
