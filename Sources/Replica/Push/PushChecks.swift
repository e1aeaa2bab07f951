import Basics
import Index
import Model
import Packs
import S3
import SQLite
import Store

/// Compares a store with its replica before and after the blobs are sent.
struct PushChecks {
    private let context: PushContext
    private let head: Replica.Head?
    private let index: PushedIndex
    private let packs: ReplicaPacks

    init(_ context: PushContext, _ base: PushBase, _ index: PushedIndex) {
        self.context = context
        head = base.head
        packs = ReplicaPacks(context, base.head)
        self.index = index
    }

    /// Refuses to replace what the replica has by something older.
    func refuseStepBack() throws {
        guard let head else { return }
        let (store, url) = (context.store.path, context.replica.url)
        if let since = head.metadata.configuration.distrustETagsSince, index.configuration.distrustETagsSince == nil {
            throw IcecoreError(
                .busy,
                "the replica's store has distrusted ETags since \(since), and '\(store)' does not: run 'icecore clone "
                    + "\(url) \(store)' first")
        }
        if let meaning = head.metadata.configuration.etags, index.configuration.etags == nil {
            throw IcecoreError(
                .busy,
                "the replica's store takes its bucket's ETags for \(meaning.rawValue), and '\(store)' does not: run "
                    + "'icecore clone \(url) \(store)' first, or give it 'icecore sync --etags \(meaning.rawValue)'")
        }
        let known = Set(index.reader.timeline.points.map(\.name))
        let ahead = head.metadata.snapshots.map(\.name).filter { !known.contains($0) }
        guard let newest = ahead.last else { return }
        let what = ahead.count == 1 ? "a snapshot" : ahead.count.of("snapshot")
        throw IcecoreError(
            .busy,
            "the replica holds \(what) that this store does not (\(Display.text(newest, limit: 100)); pushed by "
                + "\(head.latest.pushedBy) at \(head.latest.pushedAt)): it is not moved backwards. Sync that date "
                + "first, or push to another place")
    }

    /// Counts the contents that the index expects and that neither the store nor the replica has.
    ///
    /// Refuses to make the replica forget contents: its index may know which blob an ETag stands for where this one
    /// does not.
    func missingContents() throws -> Int64 {
        let reader = index.reader
        var missing: Int64 = 0
        var missingThere: Int64 = 0
        let names = Set((head?.metadata.snapshots ?? []).map(\.name))
        let old = Set(reader.timeline.points.filter { names.contains($0.name) }.map(\.id))
        try reader.missing { directory, row in
            // An empty content can always be had.
            guard row.size > 0, let etag = try row.contentETag(prefix: try reader.prefix(of: directory) ?? []) else {
                return
            }
            if try context.store.has(etag: etag, size: row.size, reader) { return }
            let name = try name(etag, row.size)
            if try context.records.state(of: name.file) == .listed || packs.has(name) { return }
            missing += 1
            if old.contains(row.seenFrom) || old.contains(row.listedFrom) { missingThere += 1 }
        }
        if let head, missingThere > head.metadata.missing, !context.options.acceptsMissing {
            throw IcecoreError(
                .busy,
                "of the snapshots that the replica holds, this store lacks \(missingThere.of("content")) and the replica "
                    + "\(head.metadata.missing): a push would make it forget the difference. 'icecore sync' fetches "
                    + "what the bucket still has, 'icecore clone \(context.replica.url) DIRECTORY' makes a store with "
                    + "all that the replica has; --accept-missing pushes anyway")
        }
        return missing
    }

    /// Counts the contents that the index calls present, and that are neither on the disk nor in the replica.
    func missingBlobs() throws -> Int64 {
        var missing: Int64 = 0
        let scan = try MissingContents(context.store, index.reader)
        try scan.scan(nil, looksForMissing: true) { version, _ in
            guard version.flags.contains(.present) else { return }
            let name = try name(version.content.etag, version.content.size)
            let state = try context.records.state(of: name.file)
            if state != .listed, state != .uploaded, try !packs.has(name) { missing += 1 }
        }
        return missing
    }

    /// Those of some packs of the replica that have to stay: the store lacks a content that a row names, and nothing else at
    /// the replica has it. One look-up a row; memory for the names of packs.
    ///
    /// - Parameter gone: packs that the store does not have.
    func needed(of gone: Set<PackName>) throws -> Set<PackName> {
        let reader = index.reader
        let unknown = try gone.subtracting(packs.names())
        let hasOtherNames = try hasContentsNamedOtherwise()
        var needed: Set<PackName> = []
        try MissingContents(context.store, reader).scan(
            { content in
                guard needed.count < gone.count else { return false }
                return try !context.store.has(etag: content.etag, size: content.size, reader)
            }, looksForMissing: false
        ) { version, _ in
            let name = try name(version.content.etag, version.content.size)
            if let state = try context.records.state(of: name.file), state != .unconfirmed { return }
            let there = try packs.find(name)
            if there.isEmpty {
                // Nobody has it, unless under a name that this index has forgotten, or in a pack that no push has listed.
                guard version.flags.contains(.expected), version.flags.isDisjoint(with: [.gone, .foundArchived]) else {
                    return
                }
                let isNamedOtherwise = hasOtherNames || version.flags.contains(.opaque) || name.isVerbatim
                needed.formUnion(isNamedOtherwise ? gone : unknown)
            } else if there.isSubset(of: gone) {
                needed.formUnion(there)
            }
        }
        return needed
    }

    /// Whether the bucket is known to have contents whose ETags are not their names.
    private func hasContentsNamedOtherwise() throws -> Bool {
        if index.configuration.etags != nil || index.configuration.distrustETagsSince != nil { return true }
        return try index.reader.connection.prepare("SELECT 1 FROM blob WHERE sha256 IS NOT NULL LIMIT 1").step()
    }

    /// How a content is named at the replica.
    private func name(_ etag: ETag, _ size: Int64) throws -> BlobName {
        let sha256 = try index.reader.blobFacts(etag: etag, size: size).sha256
        return sha256.map { BlobName.sha256($0, size: size) } ?? .etag(etag, size: size)
    }
}

extension BlobName {
    fileprivate var isVerbatim: Bool {
        if case .etag(let etag, _) = self { return etag.verbatim != nil }
        return false
    }
}
