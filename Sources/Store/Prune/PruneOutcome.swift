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
    /// Blobs that no row names any longer, and their bytes.
    public var blobs = 0
    public var bytes: Int64 = 0
}

/// The progress of a prune.
public enum PruneProgress: Sendable {
    /// Keys visited; every key is visited twice.
    case looking(keys: Int)
    case removing(blobs: Int, of: Int)
}
