import Basics

/// What a prune did, or for a dry run would do.
public struct PruneOutcome: Sendable {
    /// Kept snapshots, and dropped ones, oldest first.
    public var keptSnapshots: [String] = []
    public var droppedSnapshots: [String] = []
    /// The time since which every instant is kept.
    public var horizon = Timestamp.distantPast
    /// Versions that lose their content, and versions that are no longer known at all (the latter including markers).
    public var droppedContents = 0
    public var droppedVersions = 0
    /// Bytes of the versions that are no longer known, counting each.
    public var droppedVersionBytes: Int64 = 0
    /// Blobs that no row names any longer and that are removed, and their bytes.
    public var blobs = 0
    public var bytes: Int64 = 0
    /// Nil for a store without packs.
    public var packs: PrunedPacks?
}

/// What a prune did to packs, or for a dry run would do if there is room on the disk.
public struct PrunedPacks: Sendable {
    /// Packs without a content that is needed, which were removed.
    public var dropped = 0
    /// Packs that were written anew without what is not needed; several can become one.
    public var rewritten = 0
    /// How many bytes less the files of packs have.
    public var bytes: Int64 = 0
    /// Contents that are not needed and stay in packs, of which they are too little; and their bytes.
    public var deadBlobs = 0
    public var deadBytes: Int64 = 0
    /// Packs that stay as they are because the disk has no room to write them anew.
    public var withoutRoom = 0
    /// Packs that stay as they are because something in them is damaged.
    public var damaged = 0
}

/// The progress of a prune.
public enum PruneProgress: Sendable {
    /// Keys visited; every key is visited twice.
    case looking(keys: Int)
    case removing(blobs: Int, of: Int)
    case rewriting(packs: Int, of: Int)
}
