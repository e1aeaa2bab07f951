import Basics
import Foundation
import Synchronization

/// Waits for a range of a content's bytes, for a reader that has a thread to block.
public final class AwaitedPiece: ContentReader {
    public let range: Range<Int64>
    public let file: UInt64
    private let isGivenUp: @Sendable () -> Bool
    private let result = Mutex<Result<[UInt8], IcecoreError>?>(nil)
    private let semaphore = DispatchSemaphore(value: 0)

    /// - Parameters:
    ///   - file: what the fetcher is to call the reading if its bytes turn out to be wrong.
    ///   - isGivenUp: whether nobody waits any more.
    public init(_ range: Range<Int64>, of file: UInt64 = 0, isGivenUp: @escaping @Sendable () -> Bool) {
        self.range = range
        self.file = file
        self.isGivenUp = isGivenUp
    }

    public var hasLeft: Bool { isGivenUp() }

    public func answer(_ bytes: UnsafeRawBufferPointer) {
        result.withLock { $0 = .success(Array(bytes)) }
        semaphore.signal()
    }

    public func fail(_ error: IcecoreError) {
        result.withLock { $0 = .failure(error) }
        semaphore.signal()
    }

    /// The bytes, once they are there. To be called once.
    public func wait() throws -> [UInt8] {
        semaphore.wait()
        return try result.withLock { $0 }?.get() ?? []
    }
}
