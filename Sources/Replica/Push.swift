import Basics
import Foundation
import Glibc
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
    private let note: (String) -> Void
    private let progress: (PushProgress) -> Void
    var outcome = PushOutcome()
    private var lastCommit = MonotonicClock.milliseconds()
    private var hasTriedConditions = false

    /// How long somebody who deletes may take; for so long nobody else sends again what is being deleted.
    static let deletingTime: Int64 = 15 * 60_000

    /// - Parameters:
    ///   - isConditional: `latest.json` is moved by a conditional write.
    ///   - note: told remarks for people.
    public init(
        _ store: Store, _ replica: Replica, isConditional: Bool, removal: Removal?, note: @escaping (String) -> Void,
        progress: @escaping (PushProgress) -> Void
    ) {
        self.store = store
        self.replica = replica
        self.isConditional = isConditional
        self.removal = removal
        self.note = note
        self.progress = progress
    }

    public func run() throws -> PushOutcome {
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
        outcome.damaged = []
        let head = try replica.head()
        try clearLeftovers(records, head)
        let hasManifest = try learn(records, head)

        let copy = "\(store.path)/replicas/\(replica.marker?.replicaId ?? "").index"
        try Files.removeAll(copy)
        try IndexCopy.make(of: store.indexPath, at: copy) { progress(.index($0 / 2)) }
        let index = try IndexReader(path: copy)
        let summaries = try index.snapshots()
        let pruned = index.timeline.points.filter(\.isPruned).map(\.name)
        if let head { try refuseStepBack(head, index.timeline.points.map(\.name)) }
        outcome.missing = try missingBlobs(index)

        let feed = BlobFeed(store, index, records)
        try send(records) { try feed.next() }
        try records.commit()
        try forgetVanished(records)

        index.end()
        let chunks = try IndexChunks(copy) { progress(.index(0.5 + $0 / 2)) }
        progress(.finishing)
        let path = "snapshots/\(Push.name())"
        let (pieces, newChunks) = chunks.pieces(head?.metadata.index, in: path)
        var fresh = 0
        try records.forEachName(fresh: true) { _, standing in if standing == .sent { fresh += 1 } }
        let plan = try planRemoval(records, head, index, path)
        if let head, fresh == 0, newChunks.isEmpty, pieces == head.metadata.index, hasManifest, !plan.isNeeded {
            outcome.snapshot = head.latest.snapshot
            outcome.sequence = head.latest.sequence
            outcome.isUnchanged = true
            return true
        }
        try tryConditions(records)

        var written: [String] = []
        func willWrite(_ path: String) throws {
            written.append(path)
            try records.willWrite([path])
        }
        try sendChunks(records, chunks, pieces, newChunks)
        written += newChunks.map { pieces.chunks[$0].path }

        let manifest = try writeManifest(records, head, hasManifest, plan, in: path, willWrite)
        let now = Timestamp.now().rfc3339
        let sequence = (head?.latest.sequence ?? 0) + 1
        var metadata = ReplicaFormat.Metadata(
            format: ReplicaFormat.current, storeId: store.configuration.storeId, sequence: sequence, path: path,
            pushedAt: now, pushedBy: Push.writer,
            snapshots: summaries.map {
                .init(
                    name: $0.record.name, takenAt: $0.record.takenAt.rfc3339, keys: $0.record.keys,
                    bytes: $0.record.bytes)
            }, pruned: pruned, blobs: 0, blobBytes: 0, missing: outcome.missing, configuration: store.configuration,
            index: pieces, manifest: manifest, history: plan.history,
            retired: plan.waiting.isEmpty ? nil : plan.waiting)
        let isIncremental = head != nil && hasManifest && !plan.changesManifest
        if let head, isIncremental {
            (metadata.blobs, metadata.blobBytes) = (head.metadata.blobs, head.metadata.blobBytes)
        }
        try records.forEachName(fresh: isIncremental) { name, standing in
            guard standing != .intended, let blob = BlobName(name) else { return }
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
            try replica.storage.remove(written)
            try records.forgetObjects(written)
            try records.setBase(nil)
            try lost(isLast)
            return false
        }
        try records.setBase(path)
        try records.listSent()
        try records.forgetObjects(written)
        outcome.snapshot = path
        outcome.sequence = sequence
        try delete(plan)
        return true
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
        var named = Set((head?.metadata.index.chunks ?? []).map(\.path))
        named.formUnion((head?.metadata.manifest?.parts ?? []).map(\.path))
        named.formUnion((head?.metadata.retired ?? []).flatMap(\.paths))
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
        if base == head.latest.snapshot, isWhole { return true }
        try records.forgetListed()
        try replica.blobs(head.metadata) { warning in
            isWhole = false
            note("warning: \(warning)")
        } _: { name, _ in
            try Interruption.check()
            if try records.standing(name) != .listed { try records.set(name, .listed) }
        }
        try records.setBase(head.latest.snapshot)
        try records.commit()
        return isWhole
    }

    /// Refuses to replace what the replica has by something older.
    private func refuseStepBack(_ head: Replica.Head, _ names: [String]) throws {
        let known = Set(names)
        let ahead = head.metadata.snapshots.map(\.name).filter { !known.contains($0) }
        guard let newest = ahead.last else { return }
        throw IcecoreError(
            .busy,
            "the replica holds \(ahead.count == 1 ? "a snapshot that this store does not" : "\(ahead.count) snapshots that this store does not") "
                + "(\(newest); pushed by \(head.latest.pushedBy) at \(head.latest.pushedAt)): it is not moved backwards. "
                + "Sync that date first, or push to another place")
    }

    private func missingBlobs(_ index: IndexReader) throws -> Int64 {
        var missing: Int64 = 0
        try index.missing { directory, row in
            guard let etag = try row.contentETag(prefix: try index.prefix(of: directory) ?? []) else { return }
            if try store.blob(etag: etag, size: row.size, index) == nil { missing += 1 }
        }
        return missing
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
                // It may have been sent before it turned out so.
                try replica.storage.remove([job.path])
                try records.forget(blob.file)
                outcome.damaged.append((blob.file, reason))
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

    /// Blobs that were to be sent, or were sent, and that the store no longer has and no manifest names.
    private func forgetVanished(_ records: ReplicaRecords) throws {
        var vanished: [String] = []
        try records.forEachName(fresh: true) { name, _ in
            if vanished.count < 100_000, !Files.exists(store.blobs.path(ofName: name)) { vanished.append(name) }
        }
        guard !vanished.isEmpty else { return }
        try replica.storage.remove(vanished.map(ReplicaFormat.blobPath))
        for name in vanished { try records.forget(name) }
        try records.commit()
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
                    if standing != .intended { try writer.add(name) }
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
        let winner = try replica.head()?.latest
        let who = winner.map { "\($0.pushedBy) at \($0.pushedAt), as number \($0.sequence)" } ?? "nobody"
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
