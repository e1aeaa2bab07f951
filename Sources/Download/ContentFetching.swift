import Merge
import Model
import Store

/// Fetches what a sync wants for a store that has its contents elsewhere than on its disk.
public protocol ContentFetching: AnyObject {
    /// Called before anything is compared with the inventory: learns what is there, and finishes what an interrupted sync
    /// has begun.
    func prepare(_ store: Store) throws
    /// Fetches what is wanted. When this returns, all that came is durable where it belongs, and known in the store.
    func fetch(_ wants: FetchQueue, headers: FetchQueue, _ job: ContentFetch) throws -> DownloadSummary
    /// Called after the commit, and where there was nothing to commit.
    func publish() throws
}

/// What a sync asks for.
public struct ContentFetch {
    /// With the settings that apply.
    public var store: Store
    /// The name of the inventory.
    public var inventory: String
    /// How many contents are wanted at most, and their bytes.
    public var count: Int
    public var bytes: Int64
    /// Whether headers are recorded.
    public var keepsHeaders: Bool
    public var jobs: Int
    public var chunks: ChunkLimits
    public var acceptsLosses: Bool
    public var requesterPays: Bool
    /// Bytes a second; nil: as many as there can be.
    public var limitRate: Int64?
    /// Called several times a second.
    public var progress: (DownloadSummary) -> Void

    public init(
        store: Store, inventory: String, count: Int, bytes: Int64, keepsHeaders: Bool, jobs: Int, chunks: ChunkLimits,
        acceptsLosses: Bool, requesterPays: Bool, limitRate: Int64?, progress: @escaping (DownloadSummary) -> Void
    ) {
        self.store = store
        self.inventory = inventory
        (self.count, self.bytes, self.keepsHeaders) = (count, bytes, keepsHeaders)
        (self.jobs, self.chunks, self.acceptsLosses) = (jobs, chunks, acceptsLosses)
        (self.requesterPays, self.limitRate, self.progress) = (requesterPays, limitRate, progress)
    }
}
