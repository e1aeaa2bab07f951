/// What a push is doing.
public enum PushProgress: Sendable {
    /// Copying and hashing the index: the fraction done, from 0 to 1.
    case index(Double)
    /// How many blobs and packs were sent, their bytes, and bytes on the wire.
    case blobs(Int, packs: Int, bytes: Int64, sent: Int64)
    case finishing
}

/// The result of a push.
public struct PushOutcome: Sendable {
    /// Where the snapshot is in the replica; the previous one if nothing was new.
    public var snapshot = ""
    public var sequence = 0
    public var isUnchanged = false
    public var blobs = 0
    public var packs = 0
    /// Of the blobs and packs that were sent.
    public var bytes: Int64 = 0
    /// Blobs and packs of the store that are not what their names say, and were not sent.
    public var damaged: [(name: String, reason: String)] = []
    /// Blobs that the store expects, and that neither it nor the replica has.
    public var missing: Int64 = 0
    /// Files that this push has marked for deletion.
    public var marked = 0
    public var deleted = 0
}
