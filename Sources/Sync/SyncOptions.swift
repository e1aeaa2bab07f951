import Download
import Model
import Store

/// What a sync is to do.
public struct SyncOptions: Sendable {
    /// Which inventories to sync.
    public enum Selection: Sendable {
        case newest
        /// An inventory's name, or a date: the last inventory of that day.
        case one(String)
        /// All between two names or dates, both included.
        case range(from: String, to: String)
    }

    public var selection = Selection.newest
    /// The bucket itself is listed, whether it has an inventory or not.
    public var lists = false
    public var filter: String?
    /// Whose headers are asked for; nil: as the store is configured.
    public var headers: HeaderPolicy?
    public var metadataOnly = false
    /// How many inventories are kept from now on; nil: as the store is configured.
    public var keepInventories: InventoryLimit?
    /// From now on every version is fetched separately, whatever others have its ETag.
    public var distrustETags = false
    /// Also request archived contents: some may have been restored.
    public var fetchArchived = false
    /// Believe the source even if it denies most of what is requested.
    public var acceptGone = false
    /// Refuse an inventory that lacks most keys of the one before.
    public var strict = false
    /// What ETags are taken for from now on; nil: as the store is configured.
    public var etags: StoreConfiguration.ETagMeaning?
    public var dryRun = false
    /// The maximum number of requests in flight.
    public var jobs = 64
    /// Which objects are fetched in chunks.
    public var chunks = ChunkLimits()
    /// The maximum bytes per second, for inventories and objects.
    public var limitRate: Int64?
    /// Whether the requester pays even if the store's configuration does not say so.
    public var requesterPays = false

    public init() {}
}
