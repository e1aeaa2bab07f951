import Basics
import Foundation
import Glibc
import Index
import Model
import S3
import Store

/// What a push is doing.
public enum PushProgress: Sendable {
    /// The copy of the index, and its digests: between 0 and 1.
    case index(Double)
    /// Blobs that were sent, their bytes, and bytes on the wire.
    case blobs(Int, bytes: Int64, sent: Int64)
    case finishing
}

/// What came out of a push.
public struct PushOutcome: Sendable {
    /// Where the snapshot is in the replica; the one before where nothing was new.
    public var snapshot = ""
    public var sequence = 0
    public var isUnchanged = false
    public var blobs = 0
    public var bytes: Int64 = 0
    /// Blobs of the store that are not what their names say, and were not sent.
    public var damaged: [(name: String, reason: String)] = []
    /// Blobs that the store expects, and that neither it nor the replica has.
    public var missing: Int64 = 0
    /// Files that were marked to be deleted by a later push, and that were deleted.
    public var marked = 0
    public var deleted = 0
}

/// Brings a replica up to a store: first the blobs, then what describes them, last of all the one file that points to it.
public final class Push {
    /// How what no pushed snapshot names is removed.
    public struct Removal: Sendable {
        /// Milliseconds between marking and deleting.
        public var grace: Int64

        public init(grace: Int64) {
            self.grace = grace
        }
    }

    let store: Store
    let replica: Replica
    let removal: Removal?
    private let isConditional: Bool
    private let isChecking: Bool
    private let acceptsMissing: Bool
    private let note: (String) -> Void
    private let progress: (PushProgress) -> Void
    var outcome = PushOutcome()
    private var lastCommit = MonotonicClock.milliseconds()
    private var hasTriedConditions = false

    /// How long somebody who deletes may take; for so long nobody else sends again what is being deleted.
    static let deletingTime: Int64 = 15 * 60_000

    /// - Parameters:
    ///   - isConditional: `latest.json` is moved by a conditional write.
    ///   - isChecking: what the replica's documents say is there is looked for, and sent again where it is not.
    ///   - acceptsMissing: the replica may come to know less of contents than it does.
    ///   - note: told remarks for people.
    public init(
        _ store: Store, _ replica: Replica, isConditional: Bool, isChecking: Bool = false, acceptsMissing: Bool = false,
        removal: Removal?, note: @escaping (String) -> Void, progress: @escaping (PushProgress) -> Void
    ) {
        self.store = store
        self.replica = replica
        self.isConditional = isConditional
        self.isChecking = isChecking
        self.acceptsMissing = acceptsMissing
        self.removal = removal
        self.note = note
        self.progress = progress
    }

    public func run() throws -> PushOutcome {
        try refuseOwnStore()
        let hold = try StoreGuard(store, removing: false)
        defer { withExtendedLifetime(hold) {} }
        let reader = try store.reader()
        guard !reader.timeline.kept.isEmpty else {
            throw IcecoreError(.notFound, "the store holds no snapshot yet: there is nothing to push")
        }
        reader.end()
        let marker = try replica.begin(for: store)
        guard marker.storeId == store.configuration.storeId else {
            throw IcecoreError(
                .busy, "\(replica.url) is the replica of another store (\(marker.storeId)): give another place")
        }
        let records = try ReplicaRecords(store, replicaId: marker.replicaId)
        defer {
            try? records.commit()
            replica.clean()
        }
        var attempts = 0
        while true {
            attempts += 1
            if try attempt(records, isLast: attempts == 2) { return outcome }
        }
    }

    /// One push. False: somebody else was faster, and what is left to do has to be looked at again.
    private func attempt(_ records: ReplicaRecords, isLast: Bool) throws -> Bool {
        let head = try isChecking ? replica.headForMending(note) : replica.head()
        try records.doubtSent()
        try clearLeftovers(records, head)
        let hasManifest = try learn(records, head)

        let copy = "\(store.path)/replicas/\(replica.marker?.replicaId ?? "").index"
        try Files.removeAll(copy)
        defer { unlink(copy) }
        try IndexCopy.make(of: store.indexPath, at: copy) { progress(.index($0 / 2)) }
        // Read after the copy was made: what it says may come before what the index holds, and never after it.
        let configuration = try StoreConfiguration(path: store.configurationPath)
        let index = try IndexReader(path: copy)
        let summaries = try index.snapshots()
        let pruned = index.timeline.points.filter(\.isPruned).map(\.name)
        if let head { try refuseStepBack(head, index.timeline.points.map(\.name), configuration) }
        outcome.missing = try missingBlobs(index, records, head)

        let feed = BlobFeed(store, index, records)
        try send(records) { try feed.next() }
        try records.commit()
        if feed.seen < (try index.totals().blobs) { outcome.missing += try lostBlobs(index, records) }

        index.end()
        let chunks = try IndexChunks(copy) { progress(.index(0.5 + $0 / 2)) }
        progress(.finishing)
        let path = "snapshots/\(Push.name())"
        let (pieces, newChunks) = chunks.pieces(isChecking ? nil : head?.metadata.index, in: path)
        var fresh = 0
        try records.forEachName(fresh: true) { _, standing in if standing == .sent { fresh += 1 } }
        var plan = try planRemoval(records, head, index)
        if let head, fresh == 0, newChunks.isEmpty, pieces == head.metadata.index, hasManifest, !plan.isNeeded,
            configuration == head.metadata.configuration
        {
            outcome.snapshot = head.latest.snapshot
            outcome.sequence = head.latest.sequence
            outcome.isUnchanged = true
            return true
        }
        outcome.marked = plan.marked.count
        try refuseDamage(copy)
        try tryConditions(records)

        var written: [String] = []
        func willWrite(_ path: String) throws {
            written.append(path)
            try records.willWrite([path])
        }
        try sendChunks(records, chunks, pieces, newChunks)
        written += newChunks.map { pieces.chunks[$0].path }

        let manifest = try writeManifest(records, head, hasManifest, plan, in: path, willWrite)
        let time = Timestamp.now()
        let now = time.rfc3339
        plan.announce(time)
        let sequence = (head?.latest.sequence ?? 0) + 1
        var metadata = ReplicaFormat.Metadata(
            format: ReplicaFormat.current, storeId: store.configuration.storeId, sequence: sequence, path: path,
            pushedAt: now, pushedBy: Push.writer,
            snapshots: summaries.map {
                .init(
                    name: $0.record.name, takenAt: $0.record.takenAt.rfc3339, keys: $0.record.keys,
                    bytes: $0.record.bytes)
            }, pruned: pruned, blobs: 0, blobBytes: 0, missing: outcome.missing, configuration: configuration,
            index: pieces, manifest: manifest, history: plan.history,
            retired: plan.waiting.isEmpty ? nil : plan.waiting)
        let isIncremental = head != nil && hasManifest && !plan.changesManifest
        if let head, isIncremental {
            (metadata.blobs, metadata.blobBytes) = (head.metadata.blobs, head.metadata.blobBytes)
        }
        try records.forEachName(fresh: isIncremental) { name, standing in
            guard standing != .intended, !plan.forgotten.contains(name), let blob = BlobName(name) else { return }
            metadata.blobs += 1
            metadata.blobBytes = metadata.blobBytes.addingClamped(blob.size)
        }
        let document = try ReplicaFormat.encode(metadata)
        let metadataPath = "\(path)/\(ReplicaFormat.metadataName)"
        try willWrite(metadataPath)
        try replica.storage.write(metadataPath, document)

        let latest = ReplicaFormat.Latest(
            format: ReplicaFormat.current, storeId: store.configuration.storeId, sequence: sequence, snapshot: path,
            metadataSHA256: Hex.encode(SHA256.digest(document)), pushedAt: now, pushedBy: Push.writer)
        guard try move(to: latest, from: head) else {
            try takeBack(written, of: path, records)
            try lost(isLast)
            return false
        }
        for name in plan.forgotten { try records.forget(name) }
        try records.setBase(path)
        try records.listSent()
        try records.forgetObjects(written)
        outcome.snapshot = path
        outcome.sequence = sequence
        if try delete(plan) {
            try records.setDeleted(path)
            try records.commit()
        }
        return true
    }

    /// Removes what an attempt has written in vain, unless it was not: the answer to a move that succeeded may have been
    /// lost, and another push may have gone on from there.
    private func takeBack(_ written: [String], of path: String, _ records: ReplicaRecords) throws {
        try records.setBase(nil)
        guard let metadata = try replica.head()?.metadata else { return }
        let isInUse =
            metadata.path == path || metadata.history.contains(path)
            || !metadata.paths.isDisjoint(with: written)
        if !isInUse { try replica.storage.remove(written) }
        try records.forgetObjects(written)
    }

    // MARK: - Before

    /// Takes back what an interrupted push has left.
    private func clearLeftovers(_ records: ReplicaRecords, _ head: Replica.Head?) throws {
        for (path, id) in try records.unfinishedUploads() {
            try replica.storage.abortUpload(path, id: id)
            try records.forgetUpload(path)
        }
        let objects = try records.writtenObjects()
        guard !objects.isEmpty else { return try records.commit() }
        // A push that was stopped right after its last step: what it wrote is what the replica is.
        let named = head?.metadata.paths ?? []
        let directories = Set((head?.metadata.history ?? []) + [head?.metadata.path].compactMap { $0 })
        let orphans = objects.filter { !named.contains($0) && !directories.contains(Files.directory(of: $0)) }
        try replica.storage.remove(orphans)
        try records.forgetObjects(objects)
    }

    /// Learns from the manifest which blobs the replica has, unless that is known. False: there is no manifest.
    private func learn(_ records: ReplicaRecords, _ head: Replica.Head?) throws -> Bool {
        guard let head else {
            try records.forgetListed()
            return true
        }
        var isWhole = head.metadata.manifest != nil
        let base = try records.base
        if base == head.latest.snapshot, isWhole, !isChecking { return true }
        try records.forgetListed()
        try replica.blobs(head.metadata, listing: isChecking) { warning in
            isWhole = false
            note("warning: \(warning)")
        } _: { name, _ in
            try Interruption.check()
            if try records.standing(name) != .listed { try records.set(name, .listed) }
        }
        try records.setBase(head.latest.snapshot)
        try records.commit()
        return isWhole && !isChecking
    }

    /// Refuses to replace what the replica has by something older.
    private func refuseStepBack(
        _ head: Replica.Head, _ names: [String], _ configuration: StoreConfiguration
    ) throws {
        if let since = head.metadata.configuration.distrustETagsSince, configuration.distrustETagsSince == nil {
            throw IcecoreError(
                .busy,
                "the replica is of a store that has distrusted ETags since \(since), and '\(store.path)' does not: "
                    + "'icecore clone \(replica.url) \(store.path)' brings it up to that")
        }
        let known = Set(names)
        let ahead = head.metadata.snapshots.map(\.name).filter { !known.contains($0) }
        guard let newest = ahead.last else { return }
        throw IcecoreError(
            .busy,
            "the replica holds \(ahead.count == 1 ? "a snapshot that this store does not" : "\(ahead.count) snapshots that this store does not") "
                + "(\(Display.text(newest, limit: 100)); pushed by \(head.latest.pushedBy) at \(head.latest.pushedAt)): it is not moved backwards. "
                + "Sync that date first, or push to another place")
    }

    /// Counts the contents that neither the store nor the replica can show. Refuses to take away what the replica can:
    /// its index may know what an ETag stands for where this one does not.
    private func missingBlobs(_ index: IndexReader, _ records: ReplicaRecords, _ head: Replica.Head?) throws -> Int64 {
        var missing: Int64 = 0
        var missingThere: Int64 = 0
        let names = Set((head?.metadata.snapshots ?? []).map(\.name))
        let old = Set(index.timeline.points.filter { names.contains($0.name) }.map(\.id))
        try index.missing { directory, row in
            guard let etag = try row.contentETag(prefix: try index.prefix(of: directory) ?? []) else { return }
            if try store.blob(etag: etag, size: row.size, index) != nil { return }
            let sha256 = try index.blobFacts(etag: etag, size: row.size).sha256
            let name = sha256.map { BlobName.sha256($0, size: row.size) } ?? .etag(etag, size: row.size)
            if try records.standing(name.file) == .listed { return }
            missing += 1
            if old.contains(row.seenFrom) || old.contains(row.listedFrom) { missingThere += 1 }
        }
        if let head, missingThere > head.metadata.missing, !acceptsMissing {
            throw IcecoreError(
                .busy,
                "of what the replica holds, this store lacks \(missingThere) contents, the replica "
                    + "\(head.metadata.missing): a push would take away what is known of the others. 'icecore sync' fetches what "
                    + "the bucket still has, 'icecore clone \(replica.url) DIRECTORY' makes a store with all that the replica "
                    + "has; --accept-missing pushes all the same")
        }
        return missing
    }

    /// Contents that the index calls present, and that are neither on the disk nor in the replica.
    private func lostBlobs(_ index: IndexReader, _ records: ReplicaRecords) throws -> Int64 {
        var lost: Int64 = 0
        let scan = try LostContents(store, index)
        try scan.scan([], looksForMissing: true) { version, _ in
            guard version.flags.contains(.present) else { return }
            let (etag, size) = (version.content.etag, version.content.size)
            let sha256 = try index.blobFacts(etag: etag, size: size).sha256
            let name = sha256.map { BlobName.sha256($0, size: size) } ?? .etag(etag, size: size)
            let standing = try records.standing(name.file)
            if standing != .listed, standing != .sent { lost += 1 }
        }
        return lost
    }

    /// A damaged index would take the place of a sound one.
    private func refuseDamage(_ copy: String) throws {
        guard let problem = try IndexCheck.firstProblem(copy: copy) else { return }
        throw IcecoreError(
            .damaged,
            "the store's index is damaged (it \(problem)), and was not pushed: 'icecore verify' says more, 'icecore reindex' "
                + "makes it again")
    }

    /// A replica is a place of its own.
    private func refuseOwnStore() throws {
        guard case .directory(let path) = replica.url else { return }
        let (own, other) = (Files.resolved(store.path), Files.resolved(path))
        guard own == other || other.hasPrefix("\(own)/") || Files.exists("\(path)/icecore.json") else { return }
        throw IcecoreError(
            .usage,
            "'\(path)' is \(own == other ? "this store itself" : "in a store, or one"): give a directory of its own")
    }

    private func tryConditions(_ records: ReplicaRecords) throws {
        guard isConditional, !hasTriedConditions else { return }
        hasTriedConditions = true
        let path = "tmp/probe-\(UUID().uuidString.lowercased())"
        try records.willWrite([path])
        let reason = try replica.storage.reasonAgainstExchange(tryingAt: path)
        try records.forgetObjects([path])
        if let reason {
            throw IcecoreError(
                .unsupported,
                "the server at \(replica.url) has no conditional writes (\(reason)), so that two pushes at once could undo "
                    + "each other: where there is only ever one, --no-cas goes without")
        }
    }

    // MARK: - Sending

    private func send(_ records: ReplicaRecords, _ next: () throws -> UploadJob?) throws {
        let notes = Notes(records)
        try replica.storage.upload(
            {
                guard let job = try next() else { return nil }
                try self.tryConditions(records)
                return job
            }, notes: notes
        ) { job, result in
            guard case .blob(_, let blob, _) = job.content else { return }
            switch result {
            case .done:
                try records.set(blob.file, .sent)
                outcome.blobs += 1
                outcome.bytes += job.size
            case .damaged(let reason):
                // Nothing of it was sent. Under its name there may be what another push has put there.
                try records.forget(blob.file)
                if !outcome.damaged.contains(where: { $0.name == blob.file }) {
                    outcome.damaged.append((blob.file, reason))
                }
            }
            let now = MonotonicClock.milliseconds()
            if now - lastCommit > 1000 {
                lastCommit = now
                try records.commit()
            }
        } progress: { [self] sent in
            progress(.blobs(outcome.blobs, bytes: outcome.bytes, sent: sent))
        }
    }

    private func sendChunks(
        _ records: ReplicaRecords, _ chunks: IndexChunks, _ index: ReplicaFormat.Index, _ new: [Int]
    ) throws {
        try records.willWrite(new.map { index.chunks[$0].path })
        var place = 0
        try replica.storage.upload(
            {
                guard place < new.count else { return nil }
                let number = new[place]
                place += 1
                let bytes = try chunks.bytes(number).withUnsafeBytes { try Gzip.compress($0) }
                return UploadJob(path: index.chunks[number].path, content: .bytes(bytes))
            }, notes: Notes(records), done: { _, _ in }, progress: { _ in })
    }

    // MARK: - What describes it

    /// The manifest with what is new; nil where it could not be written, which is not the end of the push.
    private func writeManifest(
        _ records: ReplicaRecords, _ head: Replica.Head?, _ hasManifest: Bool, _ plan: RemovalPlan, in path: String,
        _ willWrite: @escaping (String) throws -> Void
    ) throws -> ReplicaFormat.Manifest? {
        let storage = replica.storage
        var writer = ManifestWriter(in: path) { path, bytes in
            try willWrite(path)
            try storage.write(path, bytes)
        }
        do {
            var kept: [ReplicaFormat.Piece] = []
            if let manifest = head?.metadata.manifest, hasManifest, !plan.changesManifest {
                // Small parts are put together before there are too many of them.
                let small = manifest.parts.filter { ($0.count ?? 0) < ManifestWriter.most / 2 }
                let merged = small.count > 40 ? Set(small.map(\.path)) : []
                kept = manifest.parts.filter { !merged.contains($0.path) }
                for part in manifest.parts where merged.contains(part.path) {
                    for line in try replica.content(part).split(separator: UInt8(ascii: "\n")) {
                        try writer.add(String(decoding: line, as: UTF8.self))
                    }
                }
                try records.forEachName(fresh: true) { name, standing in
                    if standing == .sent { try writer.add(name) }
                }
            } else {
                try records.forEachName(fresh: false) { name, standing in
                    if standing != .intended, !plan.forgotten.contains(name) { try writer.add(name) }
                }
            }
            return ReplicaFormat.Manifest(parts: kept + (try writer.finish()))
        } catch let error as IcecoreError where error.code != .interrupted {
            note("warning: the manifest of the replica could not be written (\(error)): a clone will list its blobs")
            return nil
        }
    }

    /// Who pushes, for people.
    private static var writer: String {
        "icecore on \(ProcessInfo.processInfo.hostName)"
    }

    /// A name that no other push has.
    private static func name() -> String {
        let time = Timestamp(milliseconds: Timestamp.now().milliseconds / 1000 * 1000).rfc3339
        let digits = time.filter { $0 != "-" && $0 != ":" }
        return "\(digits)-\(Hex.encode((0..<6).map { _ in UInt8.random(in: 0 ... .max) }))"
    }

    // MARK: - The last step

    /// Makes `latest.json` point to what was written; false: somebody else has moved it.
    private func move(to latest: ReplicaFormat.Latest, from head: Replica.Head?) throws -> Bool {
        let bytes = try ReplicaFormat.encode(latest)
        if isConditional {
            if try replica.storage.exchange(ReplicaFormat.latestName, bytes, expecting: head?.tag) { return true }
            // The answer to a write that has succeeded may have been lost, and the write made again.
            return try replica.storage.read(ReplicaFormat.latestName, limit: 1 << 20)?.bytes == bytes
        }
        let current = try replica.storage.read(ReplicaFormat.latestName, limit: 1 << 20)
        guard current?.tag == head?.tag else { return false }
        try replica.storage.write(ReplicaFormat.latestName, bytes)
        return true
    }

    /// Says who was faster; throws where there is no sense in another attempt.
    private func lost(_ isLast: Bool) throws {
        guard let winner = try replica.head()?.latest else {
            throw IcecoreError(
                .damaged, "\(replica.place(ReplicaFormat.latestName)) went away while this push ran: push again")
        }
        let who = "\(winner.pushedBy) at \(winner.pushedAt), as number \(winner.sequence)"
        guard isLast else {
            return note("another push was faster (\(who)): looking at what it has brought")
        }
        throw IcecoreError(
            .busy,
            "other pushes were faster, the last one by \(who). The replica holds theirs, and is complete; what this one had "
                + "to add is not in it: push again")
    }
}

/// The notes of uploads in parts, in the store's records.
private final class Notes: UploadNotes {
    private let records: ReplicaRecords

    init(_ records: ReplicaRecords) {
        self.records = records
    }

    func willUpload(_ path: String) throws { try records.willUpload(path, id: nil) }
    func uploading(_ path: String, id: String) throws { try records.willUpload(path, id: id) }
    func uploaded(_ path: String) throws { try records.forgetUpload(path) }
}
