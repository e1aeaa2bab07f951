import Download

/// What a sync is asked to do.
public struct SyncOptions: Sendable {
    /// Which inventories.
    public enum Selection: Sendable {
        case newest
        /// An inventory's name, or a date: the last one of that day.
        case one(String)
        /// All from one to another, both names or dates, both included.
        case range(from: String, to: String)
    }

    public var selection = Selection.newest
    public var filter: String?
    public var metadataOnly = false
    /// How many inventories are kept from now on; nil: as the store is configured.
    public var keepInventories: InventoryLimit?
    /// From now on every version is fetched on its own, whatever others have its ETag.
    public var distrustETags = false
    public var dryRun = false
    /// The most requests in flight.
    public var jobs = 64
    /// What is fetched in chunks.
    public var chunks = ChunkLimits()
    /// The most bytes a second, of inventories and of objects.
    public var limitRate: Int64?
    /// The requester pays, also where the store's configuration does not say so.
    public var requesterPays = false

    public init() {}
}
