/// How far the downloads of a sync have come.
public struct DownloadProgress: Sendable {
    /// Blobs done, including those that were already there or could not be fetched, of those requested.
    public var objects = 0
    public var ofObjects = 0
    /// Their bytes, including those of incomplete blobs.
    public var bytes: Int64 = 0
    public var ofBytes: Int64 = 0
    /// Bytes received over the network, including discarded ones.
    public var received: Int64 = 0
    /// Requests in flight at this moment, and requests that had to be retried.
    public var inFlight = 0
    public var retries = 0
    public var gone = 0
    public var failed = 0
}
