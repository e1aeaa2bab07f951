import S3

/// The result of a download.
public struct DownloadSummary: Sendable {
    /// Contents that were fetched, and their bytes.
    public internal(set) var fetched = 0
    public internal(set) var bytes: Int64 = 0
    /// Contents that were there already, under another key or from an interrupted sync.
    public internal(set) var shared = 0
    public internal(set) var sharedBytes: Int64 = 0
    /// Objects that the source has lost for good, and others that could not be fetched.
    public internal(set) var gone = 0
    public internal(set) var failed = 0
    /// The first few failures, as sentences.
    public internal(set) var examples: [String] = []
    /// Requests, retries, and bytes in flight.
    public internal(set) var transfers = TransferLoop.Statistics()
    /// Bytes that have arrived of contents that are not complete yet.
    public internal(set) var unfinishedBytes: Int64 = 0
}
