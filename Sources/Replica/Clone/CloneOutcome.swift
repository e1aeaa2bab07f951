/// What a clone is doing.
public enum CloneProgress: Sendable {
    /// Fetching the index: the fraction done, from 0 to 1.
    case index(Double)
    /// How many blobs and bytes have arrived, of how many.
    case blobs(Int, of: Int, bytes: Int64, ofBytes: Int64)
    case finishing
}

/// The result of a clone.
public struct CloneOutcome: Sendable {
    public var snapshots = 0
    public var isUnchanged = false
    public var blobs = 0
    public var bytes: Int64 = 0
    /// Blobs that the replica names and that could not be fetched, and why: the first few.
    public var failures: [String] = []
    /// How many of them there are.
    public var failed = 0
    /// Blobs that neither the replica nor the store has.
    public var missing: Int64 = 0
}
