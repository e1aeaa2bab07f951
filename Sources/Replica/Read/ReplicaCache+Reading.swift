import Basics
import Download
import Model

extension ReplicaCache {
    /// Calls `body` with the content of a version, piece by piece, fetching what the cache lacks.
    public func read(_ want: FetchRequest, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard let origin else {
            throw IcecoreError(
                .notFound, "the replica does not have the content of '\(String(decoding: want.key, as: UTF8.self))'")
        }
        let fetcher = ContentFetcher(
            store, from: origin, log: { _ in }, distrust: { _ in }, client: { [self] in try client() })
        defer {
            fetcher.stop()
            try? trim()
        }
        var position: Int64 = 0
        while position < want.size {
            try Interruption.check()
            let piece = AwaitedPiece(position..<min(want.size, position + (1 << 20))) { Interruption.isRequested }
            fetcher.read(want, piece)
            try piece.wait().withUnsafeBytes(body)
            position = piece.range.upperBound
        }
    }
}
