import Index
import Model
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
    /// Those among the failed that the source refused.
    public internal(set) var refused = 0
    /// Objects that turned out to be archived, or encrypted with a key of their owner: no failures.
    public internal(set) var archived = StateCount()
    public internal(set) var encrypted = StateCount()
    /// Objects that have come or will not come this time.
    public var settled: Int {
        fetched + shared + gone + failed + Int(archived.versions) + Int(encrypted.versions)
    }
    /// What came of requests for headers alone.
    var headers = HeaderInquiry.Outcome()
    /// Versions whose headers were asked for, those whose headers or tags were refused, and those that failed otherwise.
    public var askedHeaders: (asked: Int, refused: Int, failed: Int, example: String?) {
        (headers.asked, headers.refused, headers.failed, headers.example)
    }
    /// Why not all headers could be asked for; nil: they were.
    public var endOfHeaders: String? { headers.end }
    /// The first few failures, as sentences.
    public internal(set) var examples: [String] = []
    /// Requests, retries, and bytes in flight.
    public internal(set) var transfers = TransferLoop.Statistics()
    /// Bytes that have arrived of contents that are not complete yet.
    public internal(set) var unfinishedBytes: Int64 = 0
    /// What the source has denied.
    package internal(set) var denials = FetchBrake.Denials()

    public init() {}
}

extension DownloadSummary {
    /// Counts an object that did not come.
    mutating func count(_ failure: FetchFailure, _ size: Int64) {
        switch failure {
        case .gone: gone += 1
        case .missing: failed += 1
        case .refused:
            failed += 1
            refused += 1
        case .archived: archived.add(size)
        case .encrypted: encrypted.add(size)
        }
    }
}
