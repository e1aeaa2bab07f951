import Basics
import Download
import Glibc
import Index
import Merge
import Model
import S3
import Store

/// What a clone is doing.
public enum CloneProgress: Sendable {
    /// Between 0 and 1.
    case index(Double)
    /// Blobs and bytes that have come, of so many.
    case blobs(Int, of: Int, bytes: Int64, ofBytes: Int64)
    case finishing
}

/// What came out of a clone.
public struct CloneOutcome: Sendable {
    public var snapshots = 0
    public var isUnchanged = false
    public var blobs = 0
    public var bytes: Int64 = 0
    /// Blobs that the replica names and could not give, and why; the first few.
    public var failures: [String] = []
    public var failed = 0
    /// Blobs that neither the replica nor the store has.
    public var missing: Int64 = 0
}

/// Makes a store of a replica, or brings one up to it: first the blobs, then the index, last of all `icecore.json`, so that
/// there is a complete store or none.
public final class Clone {
    private let replica: Replica
    private let path: String
    private let acceptsMissing: Bool
    private let note: (String) -> Void
    private let progress: (CloneProgress) -> Void
    private var outcome = CloneOutcome()

    /// - Parameters:
    ///   - path: of the store: a new or an empty directory, a clone that was stopped, or a store that the replica is ahead of.
    ///   - acceptsMissing: the store is made also where blobs cannot be had.
    ///   - note: told remarks for people.
    public init(
        _ replica: Replica, to path: String, acceptsMissing: Bool = false, note: @escaping (String) -> Void,
        progress: @escaping (CloneProgress) -> Void
    ) {
        self.acceptsMissing = acceptsMissing
        self.replica = replica
        self.path = path
        self.note = note
        self.progress = progress
    }

    public func run() throws -> CloneOutcome {
        let head = try replica.existingHead()
        let (store, isNew) = try Store.forClone(at: path, head.metadata.configuration)
        let lock = try StoreLock(store, command: "icecore clone")
        defer { withExtendedLifetime(lock) {} }
        try store.removeLeftovers()
        if !isNew { try refuseStepBack(store, head) }

        let index = "\(store.temporaryPath)/clone-index"
        defer { unlink(index) }
        try fetchIndex(head.metadata.index, to: index)
        try refuseDamage(index)
        let reader = try IndexReader(path: index)
        outcome.snapshots = reader.timeline.kept.count
        outcome.missing = head.metadata.missing
        if !isNew { try refuseLoss(store, reader) }
        let wants = try lackingBlobs(store, head, reader)
        reader.end()
        try fetch(wants, store, index)
        if outcome.failed > 0, !acceptsMissing {
            throw IcecoreError(
                .incomplete,
                "\(outcome.failed) blobs could not be had from the replica, so that the store is "
                    + "\(isNew ? "not complete" : "what it was") (\(outcome.failures.joined(separator: "; "))). "
                    + "The same command goes on where this one stopped; 'icecore push --check' from a store that has them sends "
                    + "them again; --accept-missing makes a store without them")
        }
        progress(.finishing)
        if !isNew, try isSame(store, head) {
            outcome.isUnchanged = outcome.blobs == 0
            return outcome
        }
        // What was found there may have come with a clone that was killed.
        try store.blobs.synchronize()
        // What it says of ETags comes before rows that need it.
        if !isNew { try store.adopt(head.metadata.configuration) }
        try IndexCopy.replace(store.indexPath, with: index)
        if isNew { try store.adopt(head.metadata.configuration) }
        try Files.createDirectory("\(store.path)/replicas")
        try Files.replace(Clone.markPath(store), with: Array(head.latest.metadataSHA256.utf8))
        return outcome
    }

    /// Says which push the index of a clone is from.
    private static func markPath(_ store: Store) -> String { "\(store.path)/replicas/cloned" }

    // MARK: - What is there

    private func refuseStepBack(_ store: Store, _ head: Replica.Head) throws {
        guard store.configuration.storeId == head.metadata.storeId else {
            throw IcecoreError(
                .busy, "'\(store.path)' is another store than the one of this replica: give a new directory")
        }
        let reader = try store.reader()
        defer { reader.end() }
        let known = Set(head.metadata.snapshots.map(\.name) + head.metadata.pruned)
        let ahead = reader.timeline.points.map(\.name).filter { !known.contains($0) }
        if let newest = ahead.last {
            throw IcecoreError(
                .busy,
                "'\(store.path)' holds snapshots that the replica does not (\(newest)): 'icecore push' brings the replica up "
                    + "to it")
        }
        let kept = Set(head.metadata.snapshots.map(\.name))
        if let pruned = reader.timeline.points.last(where: { $0.isPruned && kept.contains($0.name) }) {
            throw IcecoreError(
                .busy,
                "'\(store.path)' has been pruned, and the replica still holds what was dropped (\(pruned.name)): 'icecore push' "
                    + "brings the replica up to it; a clone in a new directory has everything")
        }
    }

    /// Refuses an index that knows less of contents than the store's own: it would leave blobs without a name.
    private func refuseLoss(_ store: Store, _ index: IndexReader) throws {
        let own = try store.reader()
        defer { own.end() }
        var lost = 0
        try index.missing { directory, row in
            guard let etag = try row.contentETag(prefix: try index.prefix(of: directory) ?? []),
                try store.blob(etag: etag, size: row.size, index) == nil,
                try store.blob(etag: etag, size: row.size, own) != nil
            else { return }
            lost += 1
        }
        if lost > 0 {
            throw IcecoreError(
                .busy,
                "the replica lacks \(lost) contents that '\(store.path)' has: 'icecore push' brings the replica up to it; a "
                    + "clone belongs in a new directory")
        }
    }

    /// Whether the store's index says already what the replica's says.
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

    private func fetchIndex(_ index: ReplicaFormat.Index, to path: String) throws {
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

    /// What was pushed before pushes looked, or by somebody else.
    private func refuseDamage(_ index: String) throws {
        guard let problem = try IndexCheck.firstProblem(copy: index) else { return }
        throw IcecoreError(
            .damaged,
            "the index in the replica is damaged (it \(Display.text(problem, limit: 300))): push again from a store that is sound"
        )
    }

    // MARK: - The blobs

    private struct Lacking {
        var queue: WantQueue
        var count = 0
        var bytes: Int64 = 0
    }

    private func lackingBlobs(_ store: Store, _ head: Replica.Head, _ index: IndexReader) throws -> Lacking {
        var lacking = Lacking(queue: try WantQueue(directory: store.temporaryPath))
        var named: Int64 = 0
        defer {
            // A listing may lack what the manifest had.
            if named < head.metadata.blobs {
                let count = head.metadata.blobs - named
                outcome.failed += Int(count)
                outcome.failures.append("\(count) blobs that were pushed are not there any more")
            }
        }
        try replica.blobs(head.metadata) { warning in
            note("warning: \(warning)")
        } _: { name, blob in
            try Interruption.check()
            named += 1
            if Files.size(store.blobs.path(ofName: name)) == blob.size { return }
            lacking.count += 1
            lacking.bytes = lacking.bytes.addingClamped(blob.size)
            try lacking.queue.append(blob.want)
        }
        let free = try Files.freeBytes(store.path)
        if lacking.bytes > free {
            throw IcecoreError(
                .noSpace,
                "the blobs need \(lacking.bytes) bytes, and only \(free) are free in '\(store.path)'. Nothing was fetched"
            )
        }
        return lacking
    }

    private func fetch(_ lacking: Lacking, _ store: Store, _ index: String) throws {
        guard lacking.count > 0 else { return }
        if let client = replica.client, case .bucket(let location) = replica.url {
            try download(lacking, store, index, client, location)
        } else if case .directory(let root) = replica.url {
            try copy(lacking, store, index, from: root)
        }
    }

    private func download(
        _ lacking: Lacking, _ store: Store, _ index: String, _ client: S3Client, _ location: S3Location
    ) throws {
        let facts = ReplicaFacts(index)
        let downloader = try Downloader(
            store, client, origin: .replica(location, facts: { try facts.of($0) }), wants: lacking.queue,
            jobs: replica.options.jobs
        ) { [self] summary in
            progress(
                .blobs(
                    summary.fetched, of: lacking.count, bytes: summary.bytes + summary.unfinishedBytes,
                    ofBytes: lacking.bytes))
        }
        let summary = try downloader.run()
        outcome.blobs = summary.fetched
        outcome.bytes = summary.bytes
        outcome.failed += summary.failed + summary.gone
        outcome.failures += summary.examples
    }

    /// The same from a directory. What is complete stays, whatever happens.
    private func copy(_ lacking: Lacking, _ store: Store, _ index: String, from root: String) throws {
        let facts = ReplicaFacts(index)
        let target = FileStorage(root: store.path, temporary: "clone")
        defer { try? target.removeTemporary() }
        try target.upload(
            {
                guard let want = try lacking.queue.next() else { return nil }
                let name = String(decoding: want.key, as: UTF8.self)
                guard let blob = BlobName(name) else { return nil }
                let path = ReplicaFormat.blobPath(name)
                return UploadJob(
                    path: path, content: .blob(file: "\(root)/\(path)", blob, partSize: try facts.of(want).partSize))
            }, notes: NoNotes()
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
            progress(.blobs(outcome.blobs, of: lacking.count, bytes: sent, ofBytes: lacking.bytes))
        }
    }
}

/// Where nothing can be left behind.
private final class NoNotes: UploadNotes {
    func willUpload(_ path: String) throws {}
    func uploading(_ path: String, id: String) throws {}
    func uploaded(_ path: String) throws {}
}

extension BlobName {
    /// A blob as something to be fetched: the key is its name.
    var want: Want {
        let etag: ETag
        switch self {
        case .etag(let plain, _): etag = plain
        // Its name without the size: an ETag that no object has, and that vouches for nothing.
        case .sha256(let digest, _): etag = ETag(Array("x-\(Hex.encode(digest))".utf8))
        }
        return Want(
            key: Array(file.utf8), versionId: nil, etag: etag, size: size, isLatest: false, isOpaque: false,
            isArchived: false, lastModified: .distantPast, replacedAt: .distantFuture)
    }
}

/// What an index says of contents beside their ETags, for whoever fetches them from a replica.
final class ReplicaFacts: @unchecked Sendable {
    // One thread fetches, and only that one asks.
    private let path: String
    /// Opened by whoever asks first: the daemon of a mount is a fork, and must not inherit it.
    private var reader: IndexReader?

    /// - Parameter path: of an index.
    init(_ path: String) {
        self.path = path
    }

    func of(_ want: Want) throws -> (sha256: [UInt8]?, partSize: Int64?) {
        if let verbatim = want.etag.verbatim, verbatim.count == 66, verbatim.starts(with: "x-".utf8) {
            return (Hex.decode(verbatim.dropFirst(2)), nil)
        }
        let reader = try self.reader ?? IndexReader(path: path)
        self.reader = reader
        // Outside of a transaction each question sees the newest state.
        reader.end()
        return try reader.blobFacts(etag: want.contentETag, size: want.size)
    }
}
