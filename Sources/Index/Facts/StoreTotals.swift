/// The totals of a store.
public struct StoreTotals: Sendable {
    /// Known versions, including markers.
    public var versions: Int64 = 0
    /// Their bytes, counting each version: what storing them without sharing would take.
    public var versionBytes: Int64 = 0
    /// Blobs stored by syncs, and their bytes.
    public var blobs: Int64 = 0
    public var blobBytes: Int64 = 0
}
