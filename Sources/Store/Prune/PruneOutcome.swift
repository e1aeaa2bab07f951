import Basics

/// What a prune did, or for a dry run would do.
public struct PruneOutcome: Sendable {
    /// Snapshots that stay, and those that go, oldest first.
    public var keptSnapshots: [String] = []
    public var droppedSnapshots: [String] = []
    /// From when on every instant is kept.
    public var horizon = Timestamp.distantPast
    /// Versions that lose their content, and those among them that are not known any more (markers included there).
    public var droppedContents = 0
    public var droppedVersions = 0
    /// Bytes of the versions that are not known any more, each on its own.
    public var droppedVersionBytes: Int64 = 0
    /// Blobs that no row names any more, and their bytes.
    public var blobs = 0
    public var bytes: Int64 = 0
}

/// How far a prune has come.
public enum PruneProgress: Sendable {
    /// Keys looked at; every key is looked at twice.
    case looking(keys: Int)
    case removing(blobs: Int, of: Int)
}
