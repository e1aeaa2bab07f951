import Basics
import Packs

/// What the new snapshot will be, decided before anything of it is written.
struct PushPlan {
    /// The snapshot's directory. No other push has the same one.
    let path: String
    let index: ChunkedIndex
    /// Cuts the chunks to send from the copy of the index.
    let chunker: IndexChunker
    /// The numbers of the chunks that the replica lacks.
    let newChunks: [Int]
    let deletions: DeletionPlan
    /// That of the replica from this push on.
    let format: Int
    /// The replica has and says all of this already.
    let isUnchanged: Bool

    /// Decides after the blobs were sent.
    ///
    /// - Parameters:
    ///   - knowsAllContents: the index expects no content that is missing.
    ///   - neededPacks: those of some packs, which the store does not have, that have to stay.
    init(
        _ context: PushContext, _ base: PushBase, _ pushed: PushedIndex, _ chunker: IndexChunker,
        knowsAllContents: Bool, neededPacks: (Set<PackName>) throws -> Set<PackName>
    ) throws {
        path = "snapshots/\(PushPlan.name())"
        self.chunker = chunker
        (index, newChunks) = chunker.index(
            replacing: context.options.isChecking ? nil : base.head?.metadata.index, in: path)
        var hasNewBlobs = false
        try context.records.forEachBlob(unlistedOnly: true) { _, state in
            if state == .uploaded { hasNewBlobs = true }
        }
        var hasPacks = false
        try context.records.forEachBlob(prefix: "p-") { _, state in
            if state != .unconfirmed { hasPacks = true }
        }
        format = max(hasPacks ? ReplicaFormat.current : ReplicaFormat.plain, base.head?.latest.format ?? 1)
        deletions = try DeletionPlanner.plan(
            context, base, pushed, knowsAllContents: knowsAllContents, neededPacks: neededPacks)
        isUnchanged =
            base.manifest != nil && !hasNewBlobs && newChunks.isEmpty && index == base.head?.metadata.index
            && pushed.configuration == base.head?.metadata.configuration && !deletions.needsSnapshot
    }

    /// `<time>-<random>`.
    private static func name() -> String {
        let time = Timestamp(milliseconds: Timestamp.now().milliseconds / 1000 * 1000).rfc3339
        let digits = time.filter { $0 != "-" && $0 != ":" }
        return "\(digits)-\(Hex.encode((0..<6).map { _ in UInt8.random(in: 0 ... .max) }))"
    }
}
