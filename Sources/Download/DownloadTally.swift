import Basics
import Index
import S3

/// The sums of a download, as one machine tells them to another.
package struct DownloadTally: Codable, Sendable {
    package var fetched = 0
    package var bytes: Int64 = 0
    package var shared = 0
    package var sharedBytes: Int64 = 0
    package var gone = 0
    package var failed = 0
    package var refused = 0
    package var archived = 0
    package var archivedBytes: Int64 = 0
    package var encrypted = 0
    package var encryptedBytes: Int64 = 0
    package var requests = 0
    package var retries = 0
    package var received: Int64 = 0
    package var askedHeaders = 0
    package var refusedHeaders = 0
    package var failedHeaders = 0
    package var headerExample: String?
    package var examples: [String] = []
    package var denials = FetchBrake.Denials()

    package init() {}

    /// Whether the sums of a quarter of a million shards like this one are numbers: it comes from another machine.
    package var isPlausible: Bool {
        let counts = [
            fetched, shared, gone, failed, refused, archived, encrypted, requests, retries, askedHeaders,
            refusedHeaders, failedHeaders,
        ]
        return counts.allSatisfy { 0...1 << 40 ~= $0 } && denials.isPlausible
            && [bytes, sharedBytes, archivedBytes, encryptedBytes, received].allSatisfy { 0...1 << 44 ~= $0 }
    }

    package init(_ summary: DownloadSummary) {
        (fetched, bytes) = (summary.fetched, summary.bytes)
        (shared, sharedBytes) = (summary.shared, summary.sharedBytes)
        (gone, failed, refused) = (summary.gone, summary.failed, summary.refused)
        (archived, archivedBytes) = (Int(summary.archived.versions), summary.archived.bytes)
        (encrypted, encryptedBytes) = (Int(summary.encrypted.versions), summary.encrypted.bytes)
        (requests, retries) = (summary.transfers.requests, summary.transfers.retries)
        received = summary.transfers.bytes
        let headers = summary.headers
        (askedHeaders, refusedHeaders, failedHeaders) = (headers.asked, headers.refused, headers.failed)
        headerExample = headers.example
        examples = summary.examples
        denials = summary.denials
    }

    fileprivate static func count(_ versions: Int, _ bytes: Int64) -> StateCount {
        var count = StateCount()
        (count.versions, count.bytes) = (Int64(versions), bytes)
        return count
    }
}

extension DownloadSummary {
    /// Adds what another download did.
    package mutating func add(_ tally: DownloadTally) {
        fetched += tally.fetched
        bytes = bytes.addingClamped(tally.bytes)
        shared += tally.shared
        sharedBytes = sharedBytes.addingClamped(tally.sharedBytes)
        gone += tally.gone
        failed += tally.failed
        refused += tally.refused
        archived.add(DownloadTally.count(tally.archived, tally.archivedBytes))
        encrypted.add(DownloadTally.count(tally.encrypted, tally.encryptedBytes))
        transfers.add(requests: tally.requests, retries: tally.retries, bytes: tally.received)
        headers.asked += tally.askedHeaders
        headers.refused += tally.refusedHeaders
        headers.failed += tally.failedHeaders
        headers.example = headers.example ?? tally.headerExample
        examples += tally.examples.prefix(max(0, 10 - examples.count))
    }
}
