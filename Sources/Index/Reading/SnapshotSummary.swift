import Model

/// A snapshot as `icecore snapshots` shows it.
public struct SnapshotSummary: Sendable {
    public var record: SnapshotRecord
    /// Blobs that its sync requested and that are neither here nor gone for good.
    public var missing: Int
    /// Versions that it lists and whose contents are not here for another reason.
    public var absent: [ContentState: Int] = [:]
}
