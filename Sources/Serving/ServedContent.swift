import Basics
import Blobs
import Download
import Model
import Synchronization

/// Where the content of a version is.
public enum ServedContent {
    /// Nothing needs no blob.
    case empty
    case here(OpenBlob)
    /// It can be fetched while it is read.
    case elsewhere(AbsentContent)
    /// It cannot be had: what the index says about that, which may be `present` or `missing` where nothing is fetched.
    case unavailable(ContentState)
}

/// A content that is not in the store, and can be fetched.
public struct AbsentContent: Sendable {
    private let served: ServedStore
    private let fetcher: ContentFetcher
    private let want: FetchRequest

    /// In bytes, of one piece.
    private static let piece: Int64 = 512 << 10

    init(_ served: ServedStore, _ fetcher: ContentFetcher, _ want: FetchRequest) {
        self.served = served
        self.fetcher = fetcher
        self.want = want
    }

    /// Reads a range piece by piece; each call waits until its piece has arrived, and fails with what the source says. To be
    /// the `next` of a `WebBody`.
    public func pieces(_ range: Range<Int64>) -> () throws -> [UInt8]? {
        let reading = served.readings.add(1, ordering: .relaxed).newValue
        var position = range.lowerBound
        return {
            guard position < range.upperBound else { return nil }
            let piece = AwaitedPiece(
                position..<min(range.upperBound, position + AbsentContent.piece), of: reading
            ) { [served] in served.hasStopped }
            fetcher.read(want, piece)
            let bytes = try piece.wait()
            guard bytes.count == piece.range.count, !served.isDistrusted(reading) else {
                throw IcecoreError(.damaged, "what has arrived of the content is not what it should be")
            }
            position = piece.range.upperBound
            return bytes
        }
    }
}
