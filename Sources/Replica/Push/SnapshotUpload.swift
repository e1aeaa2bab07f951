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

    /// What says what is where in the replica.
    struct Lists {
        /// Nil if it could not be written, which does not fail the push.
        var manifest: ReplicaManifest?
        var inventories: ReplicaManifest?
        var catalogue: ReplicaCatalogue?
    }

    /// Writes the parts of the lists that are new.
    func sendLists() throws -> Lists {
        var lists = Lists()
        // First: what it cannot have, the manifest must not name.
        lists.catalogue = try CatalogueUpload.run(context, base, plan, write: write)
        let directory = plan.path
        do {
            lists.manifest = try send(base.manifest, { ReplicaFormat.manifestPath($0, in: directory) }) {
                !$0.hasPrefix("i-")
            }
        } catch let error as IcecoreError where error.code != .interrupted {
            context.note(
                "warning: the manifest of the replica could not be written (\(error)): a clone will list what is there")
        }
        lists.inventories = try send(base.inventories, { ReplicaFormat.inventoriesPath($0, in: directory) }) {
            $0.hasPrefix("i-")
        }
        return lists
    }

    /// Writes a list of what belongs on it.
    ///
    /// - Parameter old: the one that can be extended.
    private func send(
        _ old: ReplicaManifest?, _ path: @escaping (Int) -> String, _ belongs: (String) -> Bool
    ) throws -> ReplicaManifest {
        let records = context.records
        var writer = ReplicaManifestWriter(path) { [self] path, bytes in try write(path, bytes) }
        var kept: [ReplicaPiece] = []
        if let old, !plan.deletions.changesManifest {
            kept = try merge(old, into: &writer)
            try records.forEachBlob(unlistedOnly: true) { name, state in
                if state == .uploaded, belongs(name) { try writer.add(name) }
            }
        } else {
            try records.forEachBlob { name, state in
                if state != .unconfirmed, belongs(name), !plan.deletions.droppedBlobs.contains(name) {
                    try writer.add(name)
                }
            }
        }
        return ReplicaManifest(parts: kept + (try writer.finish()))
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
