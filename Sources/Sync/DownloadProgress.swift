/// How far the downloads of a sync have come.
public struct DownloadProgress: Sendable {
    /// Blobs done, those included that were there already or could not be had, of those asked for.
    public var objects = 0
    public var ofObjects = 0
    /// Their bytes, those of blobs that are not complete yet included.
    public var bytes: Int64 = 0
    public var ofBytes: Int64 = 0
    /// Bytes that came over the network, what was thrown away included.
    public var received: Int64 = 0
    /// Requests at this moment, and requests that had to be made again.
    public var inFlight = 0
    public var retries = 0
    public var gone = 0
    public var failed = 0
}
