import Basics
import Blobs
import Download
import Model
import Synchronization

/// The digests of the parts in which a blob is sent, computed on a thread of a pool a few parts ahead of those being sent;
/// and on the way, whether the blob is what its name says.
final class PartHashing: Work, @unchecked Sendable {
    // `state` is guarded by the lock; `whole` belongs to the one thread that is hashing.

    struct HashedPart {
        /// From 0.
        var place: Int
        var range: Range<Int64>
        var md5: [UInt8]
    }

    private struct State {
        var ready: [HashedPart] = []
        var isHashing = false
        var end: Result<Void, any Error>?
    }

    private let file: OpenBlob
    private let name: BlobName
    private let division: PartLayout
    private let count: Int
    private let hasSameParts: Bool
    private var whole: BlobDigest
    private var next = 0
    private var start: Int64 = 0
    private let state = Mutex(State())
    /// How many parts are hashed ahead: few enough to be still in the page cache when they are sent.
    private static let mostReady = 4

    /// - Parameters:
    ///   - parts: those of the upload that the blob comes from.
    ///   - division: those of this one.
    init(_ file: OpenBlob, _ name: BlobName, parts: PartLayout?, division: PartLayout, count: Int) {
        self.file = file
        self.name = name
        self.division = division
        self.count = count
        hasSameParts = parts == division && BlobDigest.needsParts(name)
        whole = BlobDigest(name, parts: parts)
    }

    /// The next part to send, in order; nil: none is ready. Goes on hashing on the pool.
    func take(_ pool: WorkPool) -> HashedPart? {
        let (part, resumes) = state.withLock { state -> (HashedPart?, Bool) in
            let part = state.ready.isEmpty ? nil : state.ready.removeFirst()
            guard !state.isHashing, state.end == nil, state.ready.count < PartHashing.mostReady else {
                return (part, false)
            }
            state.isHashing = true
            return (part, true)
        }
        if resumes { pool.submit(self) }
        return part
    }

    /// Whether the blob is what its name says, once all of it was hashed: else a ``BlobCopy/Damage``.
    var end: Result<Void, any Error>? { state.withLock { $0.end } }

    func perform(isStopping: () -> Bool) {
        do {
            while next < count {
                let part = try hash(isStopping)
                let goesOn = state.withLock { state in
                    state.ready.append(part)
                    state.isHashing = state.ready.count < PartHashing.mostReady || next == count
                    return state.isHashing
                }
                if !goesOn { return }
            }
            var finished = BlobDigest(name, parts: nil)
            swap(&finished, &whole)
            if let problem = finished.problem() { throw BlobCopy.Damage(reason: problem) }
            state.withLock { $0.end = .success(()) }
        } catch {
            state.withLock { $0.end = .failure(error) }
        }
    }

    private func hash(_ isStopping: () -> Bool) throws -> HashedPart {
        let range = start..<min(name.size, start.addingClamped(division.length(ofPart: next)))
        var part = MD5()
        var position = start
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
            while position < range.upperBound {
                if isStopping() { throw IcecoreError(.interrupted, "interrupted") }
                let piece = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[..<Int(min(Int64(buffer.count), range.upperBound - position))])
                try BlobCopy.read(file, into: piece, at: position)
                part.update(UnsafeRawBufferPointer(piece))
                if !hasSameParts { whole.update(UnsafeRawBufferPointer(piece)) }
                position += Int64(piece.count)
            }
        }
        let md5 = part.finalize()
        if hasSameParts { whole.append(part: md5) }
        defer {
            next += 1
            start = range.upperBound
        }
        return HashedPart(place: next, range: range, md5: md5)
    }
}
