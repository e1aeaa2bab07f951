import Basics
import Upload

/// Writes the files of the new snapshot. Each is recorded in the store before it may exist at the replica.
final class SnapshotUpload {
    private let context: PushContext
    private let base: PushBase
    private let plan: PushPlan
    /// The paths of the files so far.
    private(set) var written: [String] = []

    init(_ context: PushContext, _ base: PushBase, _ plan: PushPlan) {
        self.context = context
        self.base = base
        self.plan = plan
    }

    func write(_ path: String, _ bytes: [UInt8]) throws {
        written.append(path)
        try context.records.willWrite([path])
        try context.replica.storage.write(path, bytes)
    }

    /// Sends the chunks of the index that the replica lacks.
    func sendChunks() throws {
        let (chunks, new) = (plan.index.chunks, plan.newChunks)
        let paths = new.map { chunks[$0].path }
        try context.records.willWrite(paths)
        var place = 0
        try context.replica.storage.upload(
            {
                guard place < new.count else { return nil }
                defer { place += 1 }
                let bytes = try plan.chunker.bytes(new[place]).withUnsafeBytes { try Gzip.compress($0) }
                return UploadJob(path: paths[place], payload: .bytes(bytes))
            }, journal: context.records, done: { _, _ in }, progress: { _ in })
        written += paths
    }

    /// Writes the parts of the manifest that are new.
    ///
    /// - Returns: nil if that failed, which does not fail the push.
    func sendManifest() throws -> ReplicaManifest? {
        let records = context.records
        var writer = ReplicaManifestWriter(in: plan.path) { [self] path, bytes in try write(path, bytes) }
        do {
            var kept: [ReplicaPiece] = []
            if let manifest = base.manifest, !plan.deletions.changesManifest {
                kept = try merge(manifest, into: &writer)
                try records.forEachBlob(unlistedOnly: true) { name, state in
                    if state == .uploaded { try writer.add(name) }
                }
            } else {
                try records.forEachBlob { name, state in
                    if state != .unconfirmed, !plan.deletions.droppedBlobs.contains(name) { try writer.add(name) }
                }
            }
            return ReplicaManifest(parts: kept + (try writer.finish()))
        } catch let error as IcecoreError where error.code != .interrupted {
            context.note(
                "warning: the manifest of the replica could not be written (\(error)): a clone will list its blobs")
            return nil
        }
    }

    /// Writes the names of small parts anew, before there are too many such parts.
    ///
    /// - Returns: the parts that stay.
    private func merge(_ manifest: ReplicaManifest, into writer: inout ReplicaManifestWriter) throws -> [ReplicaPiece] {
        let small = manifest.parts.filter { ($0.count ?? 0) < ReplicaManifestWriter.most / 2 }
        guard small.count > 40 else { return manifest.parts }
        let merged = Set(small.map(\.path))
        for part in manifest.parts where merged.contains(part.path) {
            for line in try context.replica.content(part).split(separator: UInt8(ascii: "\n")) {
                try writer.add(String(decoding: line, as: UTF8.self))
            }
        }
        return manifest.parts.filter { !merged.contains($0.path) }
    }
}
