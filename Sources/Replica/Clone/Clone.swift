import Basics
import Blobs
import Download
import Glibc
import Index
import Merge
import Model
import Packs
import S3
import Store
import Upload

/// Makes a store from a replica, or brings one up to date with it: first the blobs, then the index, and last
/// `icecore.json`, so that there is a complete store or none.
public final class Clone {
    private let replica: Replica
    private let path: String
    private let acceptsMissing: Bool
    private let push: String?
    private let note: (String) -> Void
    private let progress: (CloneProgress) -> Void
    private var outcome = CloneOutcome()

    /// - Parameters:
    ///   - path: of the store: a new or empty directory, an interrupted clone, or a store that the replica is ahead of.
    ///   - acceptsMissing: whether to make the store even if blobs cannot be fetched.
    ///   - push: an earlier push, by its name or number; nil: the newest.
    ///   - note: called with remarks for people.
    public init(
        _ replica: Replica, to path: String, acceptsMissing: Bool = false, push: String? = nil,
        note: @escaping (String) -> Void,
        progress: @escaping (CloneProgress) -> Void
    ) {
        self.acceptsMissing = acceptsMissing
        self.push = push
        self.replica = replica
        self.path = path
        self.note = note
        self.progress = progress
    }

    public func run() throws -> CloneOutcome {
        var head = try replica.existingHead(push)
        let hasPacks = head.metadata.catalogue != nil
        if hasPacks {
            let format = max(head.metadata.configuration.format, StoreConfiguration.packFormat)
            head.metadata.configuration.format = format
        }
        var (store, isNew) = try Store.forClone(at: path, head.metadata.configuration)
        let lock = try StoreLock(store, command: "icecore clone")
        defer { withExtendedLifetime(lock) {} }
        try store.removeLeftovers()
        if hasPacks { try PackKeeper.prepare(&store) }
        if !isNew { try refuseStepBack(store, head) }

        let index = "\(store.temporaryPath)/clone-index"
        defer { unlink(index) }
        try fetchIndex(head.metadata.index, to: index)
        try refuseDamage(index)
        let reader = try IndexReader(path: index)
        outcome.snapshots = reader.timeline.kept.count
        outcome.missing = head.metadata.missing
        if !isNew { try refuseFewerContents(store, reader) }
        let missing = try missingBlobs(store, head, reader)
        reader.end()
        try fetch(missing, store, index)
        try ClonedPacks(store).add(missing.packs)
        try ClonedInventories(replica, store, note).fetch(head.metadata)
        if outcome.failed > 0, !acceptsMissing {
            throw IcecoreError(
                .incomplete,
                "\(outcome.failed.of("blob")) could not be fetched from the replica, so the store is "
                    + "\(isNew ? "not complete" : "unchanged") (\(outcome.failures.joined(separator: "; "))). "
                    + "Run the same command again to resume; 'icecore push --check' from a store that has them sends "
                    + "them again; --accept-missing makes a store without them")
        }
        progress(.finishing)
        if !isNew, try isSame(store, head) {
            outcome.isUnchanged = outcome.blobs == 0
            try removeReplacedPacks(store, missing)
            return outcome
        }
        // Blobs that were already there may come from a clone that was killed before they were durable.
        try store.blobs.synchronize()
        try FactKeeper(store).rewrite(from: index)
        // In a store that exists, distrust of ETags has to come before the rows that need it.
        if !isNew { try store.adopt(head.metadata.configuration) }
        try IndexCopy.replace(store.indexPath, with: index)
        if isNew { try store.adopt(head.metadata.configuration) }
        try Files.createDirectory("\(store.path)/replicas")
        try Files.replace(Clone.markPath(store), with: Array(head.latest.metadataSHA256.utf8))
        if !isNew { try removeReplacedPacks(store, missing) }
        return outcome
    }

    /// Removes packs that the replica has others for. The index is that of the replica.
    private func removeReplacedPacks(_ store: Store, _ replica: MissingBlobs) throws {
        let reader = try store.reader()
        defer { reader.end() }
        if try ClonedPacks(store).removeReplaced(by: replica.packs, reader) == nil {
            note("packs that the replica no longer has stay for now, since this store is being pushed")
        }
    }

    /// A file that says which push the index of a clone is from.
    private static func markPath(_ store: Store) -> String { "\(store.path)/replicas/cloned" }

    // MARK: - A store that exists

    private func refuseStepBack(_ store: Store, _ head: Replica.Head) throws {
        guard store.configuration.storeId == head.metadata.storeId else {
            throw IcecoreError(
                .busy, "the replica belongs to another store than '\(store.path)': choose a new directory")
        }
        let reader = try store.reader()
        defer { reader.end() }
        let known = Set(head.metadata.snapshots.map(\.name) + head.metadata.pruned)
        let ahead = reader.timeline.points.map(\.name).filter { !known.contains($0) }
        if let newest = ahead.last {
            throw IcecoreError(
                .busy,
                "'\(store.path)' holds snapshots that the replica does not (\(newest)): 'icecore push' brings the "
                    + "replica up to date")
        }
        let kept = Set(head.metadata.snapshots.map(\.name))
        if let pruned = reader.timeline.points.last(where: { $0.isPruned && kept.contains($0.name) }) {
            throw IcecoreError(
                .busy,
                "'\(store.path)' has been pruned, and the replica still holds what was dropped (\(pruned.name)): "
                    + "'icecore push' brings the replica up to date; a clone in a new directory has everything")
        }
    }

    /// Refuses an index that knows fewer contents than the store's own: it would leave blobs that nothing names.
    private func refuseFewerContents(_ store: Store, _ index: IndexReader) throws {
        let own = try store.reader()
        defer { own.end() }
        var fewer = 0
        try index.missing { directory, row in
            guard row.size > 0, let etag = try row.contentETag(prefix: try index.prefix(of: directory) ?? []),
                try store.blob(etag: etag, size: row.size, index) == nil,
                try store.blob(etag: etag, size: row.size, own) != nil
            else { return }
            fewer += 1
        }
        if fewer > 0 {
            throw IcecoreError(
                .busy,
                "the replica lacks \(fewer.of("content")) that '\(store.path)' has: 'icecore push' brings the replica up to "
                    + "date; a clone belongs in a new directory")
        }
    }

    /// Whether the store's index already says what the replica's says.
    private func isSame(_ store: Store, _ head: Replica.Head) throws -> Bool {
        let reader = try store.reader()
        defer { reader.end() }
        guard
            let mark = try? Files.read(Clone.markPath(store), limit: 100),
            mark.elementsEqual(head.latest.metadataSHA256.utf8)
        else { return false }
        let there = head.metadata.snapshots.map(\.name)
        return try reader.snapshots().map(\.record.name) == there
            && reader.timeline.points.filter(\.isPruned).map(\.name) == head.metadata.pruned
    }

    // MARK: - The index

    private func fetchIndex(_ index: ChunkedIndex, to path: String) throws {
        try Files.remove(path)
        let file = try File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        for (number, chunk) in index.chunks.enumerated() {
            try Interruption.check()
            let bytes = try replica.content(chunk)
            try bytes.withUnsafeBytes { try file.write($0, at: Int64(number) * index.chunkSize) }
            progress(.index(Double(number + 1) / Double(index.chunks.count)))
        }
        try file.close()
    }

    /// A push has checked the index, unless it was an old version's or the replica was changed since.
    private func refuseDamage(_ index: String) throws {
        guard let problem = try IndexCheck.firstProblem(copy: index) else { return }
        throw IcecoreError(
            .damaged,
            "the index in the replica is damaged (it \(Display.text(problem, limit: 300))): push again from a sound "
                + "store"
        )
    }

    // MARK: - The blobs

    private struct MissingBlobs {
        var queue: FetchQueue
        var count = 0
        var bytes: Int64 = 0
        /// All packs of the replica, with their bytes.
        var packs: [PackName: Int64] = [:]
    }

    private func missingBlobs(_ store: Store, _ head: Replica.Head, _ index: IndexReader) throws -> MissingBlobs {
        var missing = MissingBlobs(queue: try FetchQueue(directory: store.temporaryPath))
        let room = try DiskRoom(store.path)
        var need = DiskNeed(unit: room.free.unit)
        var named: Int64 = 0
        defer {
            // A listing may find fewer blobs than the manifest named.
            if named < head.metadata.blobs {
                let count = head.metadata.blobs - named
                outcome.failed += Int(count)
                outcome.failures.append(
                    "\(count.of("blob")) that \(count == 1 ? "was pushed is" : "were pushed are") no longer there")
            }
        }
        let packs = ClonedPacks(store)
        try replica.forEachItem(head.metadata) { warning in
            note("warning: \(warning)")
        } _: { item in
            try Interruption.check()
            switch item {
            case .blob(let blob):
                named += 1
                if try store.blobs.find(blob) != nil { return }
            case .pack(let pack, let size):
                missing.packs[pack] = size
                if try packs.has(pack, size: size) { return }
            case .inventoryFile: return
            }
            guard let want = item.want else { return }
            missing.count += 1
            missing.bytes = missing.bytes.addingClamped(item.size)
            need.add(size: item.size)
            try missing.queue.append(want)
        }
        if Int64(missing.packs.count) < head.metadata.catalogue?.packs ?? 0 {
            throw IcecoreError(
                .damaged,
                "the replica names \(missing.packs.count.of("pack")) where \(head.metadata.catalogue?.packs ?? 0) were pushed: "
                    + "'icecore push --check' from the store rewrites its manifest")
        }
        if let shortage = room.shortage(need, of: "the clone") {
            throw IcecoreError(.noSpace, "\(shortage): nothing was fetched")
        }
        return missing
    }

    private func fetch(_ missing: MissingBlobs, _ store: Store, _ index: String) throws {
        guard missing.count > 0 else { return }
        if let client = replica.client, case .bucket(let location) = replica.url {
            try download(missing, store, index, client, location)
        } else if case .directory(let root) = replica.url {
            try copy(missing, store, index, from: root)
        }
    }

    private func download(
        _ missing: MissingBlobs, _ store: Store, _ index: String, _ client: S3Client, _ location: S3Location
    ) throws {
        let facts = ReplicaFacts(index)
        // Packs arrive as blobs, and get their own names afterwards: they must not go into packs themselves.
        var configuration = store.configuration
        configuration.packBelow = nil
        let origin = ContentOrigin.replica(
            location, facts: { try facts.lookUp($0) },
            packs: { want, _ in
                guard case let item? = ReplicaItem(String(decoding: want.key, as: UTF8.self)), item.pack != nil else {
                    return []
                }
                return [PackedOrigin(path: item.path, record: nil)]
            })
        let downloader = try Downloader(
            store.with(configuration), client, origin: origin, wants: missing.queue, headers: .nowhere,
            jobs: replica.options.jobs
        ) { [self] summary in
            progress(
                .blobs(
                    summary.fetched, of: missing.count, bytes: summary.bytes + summary.unfinishedBytes,
                    ofBytes: missing.bytes))
        }
        let summary = try downloader.run()
        outcome.blobs = summary.fetched
        outcome.bytes = summary.bytes
        outcome.failed += summary.failed + summary.gone
        outcome.failures += summary.examples
    }

    /// Copies the blobs from a replica in a directory. Complete ones stay, whatever happens.
    private func copy(_ missing: MissingBlobs, _ store: Store, _ index: String, from root: String) throws {
        let facts = ReplicaFacts(index)
        let target = FileStorage(root: store.path, staging: "clone")
        defer { try? target.removeStaging() }
        try target.upload(
            {
                guard let want = try missing.queue.next() else { return nil }
                let name = String(decoding: want.key, as: UTF8.self)
                guard let item = ReplicaItem(name) else { return nil }
                let file = BlobPlace.file("\(root)/\(item.path)")
                switch item {
                case .blob(let blob):
                    return UploadJob(item: item, payload: .blob(file, blob, parts: try facts.lookUp(want).parts))
                case .pack(let pack, let size):
                    return UploadJob(item: item, payload: .blob(file, .sha256(pack.digest, size: size), parts: nil))
                case .inventoryFile: return nil
                }
            }, journal: NoUploadJournal()
        ) { job, result in
            switch result {
            case .done:
                outcome.blobs += 1
                outcome.bytes += job.size
            case .damaged(let reason):
                outcome.failed += 1
                if outcome.failures.count < 10 { outcome.failures.append("\(job.path): \(reason)") }
            }
        } progress: { [self] sent in
            progress(.blobs(outcome.blobs, of: missing.count, bytes: sent, ofBytes: missing.bytes))
        }
    }
}
