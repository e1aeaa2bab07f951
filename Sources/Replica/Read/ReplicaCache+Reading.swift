import Basics
import Download
import Foundation
import Model
import Synchronization

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
            let piece = PieceReader(position..<min(want.size, position + (1 << 20)))
            fetcher.read(want, piece)
            try piece.wait().withUnsafeBytes(body)
            position = piece.range.upperBound
        }
    }
}

/// Waits for a range of a content's bytes.
private final class PieceReader: ContentReader {
    let range: Range<Int64>
    let file: UInt64 = 0
    private let result = Mutex<Result<[UInt8], IcecoreError>?>(nil)
    private let semaphore = DispatchSemaphore(value: 0)

    init(_ range: Range<Int64>) {
        self.range = range
    }

    var hasLeft: Bool { Interruption.isRequested }

    func answer(_ bytes: UnsafeRawBufferPointer) {
        result.withLock { $0 = .success(Array(bytes)) }
        semaphore.signal()
    }

    func fail(_ error: IcecoreError) {
        result.withLock { $0 = .failure(error) }
        semaphore.signal()
    }

    func wait() throws -> [UInt8] {
        semaphore.wait()
        return try result.withLock { $0 }?.get() ?? []
    }
}
