/// What a store holds, in sums.
public struct StoreTotals: Sendable {
    /// Versions known, markers included.
    public var versions: Int64 = 0
    /// Their bytes, each version on its own: what storing all of them without sharing would take.
    public var versionBytes: Int64 = 0
    /// Blobs that syncs have stored, and their bytes.
    public var blobs: Int64 = 0
    public var blobBytes: Int64 = 0
}
