import Basics
import Blobs
import Glibc
import Model
import Synchronization

/// Checks a large content while it arrives: reads it back behind those who write it, on the pool's threads.
///
/// What is checked is what lies in the file, also what an earlier process has left there. A multipart upload is checked
/// part by part, several at a time; other contents have one digest, which follows the bytes in their order.
final class ContentVerifier: Work, @unchecked Sendable {
    // Everything mutable is only touched under the lock, but for a unit's digest while the unit is busy.

    enum Verdict: Equatable, Sendable {
        /// The ETag vouches for the content; for a multipart upload, with the part size that it had. The SHA-256 is there
        /// if it was asked for.
        case checked(partSize: Int64?, sha256: [UInt8]?)
        /// The ETag says nothing that could be checked; the content has this SHA-256.
        case opaque(sha256: [UInt8])
        /// No part size that is likely gives the ETag; the content has this SHA-256.
        case unknownPartSize(sha256: [UInt8])
        case wrong
    }

    /// A part, or the whole content.
    private final class Unit {
        let range: Range<Int64>
        var position: Int64
        var isBusy = false
        var md5 = MD5()
        var sha256 = SHA256()

        init(_ range: Range<Int64>) {
            self.range = range
            position = range.lowerBound
        }

        func takeDigest(_ isSHA256: Bool) -> [UInt8] {
            if isSHA256 {
                var digest = SHA256()
                swap(&digest, &sha256)
                return digest.finalize()
            }
            var digest = MD5()
            swap(&digest, &md5)
            return digest.finalize()
        }
    }

    private struct State {
        var present = ByteRanges()
        /// Units that have begun and not been added up, by their numbers.
        var units: [Int: Unit] = [:]
        /// Digests of parts that wait for a part before them.
        var digests: [Int: [UInt8]] = [:]
        /// The first unit that has not been added up.
        var first = 0
        var workers = 0
        var outcome: Result<Verdict, any Error>?
    }

    private let partial: PartialBlob
    private let etag: ETag
    private let isOpaque: Bool
    /// There is nothing to compare with: the digest is a SHA-256.
    private let isUnknown: Bool
    /// Part sizes that may be it, the likeliest first; empty for what is no multipart upload.
    private let candidates: [Int64]
    private let isPartSizeKnown: Bool
    /// What an opaque content must have; nil: nobody knows.
    private let expected: [UInt8]?
    private let needsSHA256: Bool
    private let pool: WorkPool
    private let unitSize: Int64
    private let unitCount: Int
    private let lock = Mutex<Void>(())
    private var state = State()
    private var whole = MD5()

    private static let piece: Int64 = 4 << 20
    /// How far ahead of the first unfinished unit others are looked for.
    private static let lookAhead = 256

    /// - Parameters:
    ///   - isOpaque: the ETag is no MD5 of anything.
    ///   - partSize: what the source says of a multipart upload.
    ///   - sha256: what an opaque content must have, as far as it is known.
    ///   - needsSHA256: also where the ETag vouches for the content, its SHA-256 is wanted.
    init(
        _ partial: PartialBlob, _ etag: ETag, isOpaque: Bool, partSize: Int64?, sha256: [UInt8]? = nil,
        needsSHA256: Bool = false, _ pool: WorkPool
    ) {
        expected = sha256
        self.needsSHA256 = needsSHA256
        self.partial = partial
        self.etag = etag
        self.isOpaque = isOpaque
        self.pool = pool
        let known = partSize.flatMap { $0 > 0 ? [$0] : nil }
        isPartSizeKnown = known != nil
        candidates =
            isOpaque || etag.parts == 0
            ? [] : known ?? PartSizes.candidates(size: partial.size, count: Int64(etag.parts))
        isUnknown = isOpaque || (etag.parts > 0 && candidates.isEmpty)
        unitSize = candidates.first ?? max(1, partial.size)
        unitCount = Int((partial.size - 1) / unitSize + 1)
    }

    /// What came out; nil before the end.
    var outcome: Result<Verdict, any Error>? {
        lock.withLock { _ in state.outcome }
    }

    /// More of the content has arrived.
    func arrived(_ ranges: ByteRanges) {
        let more = lock.withLock { _ -> Int in
            state.present = ranges
            guard state.outcome == nil else { return 0 }
            let wanted = min(pool.width, unitCount) - state.workers
            state.workers += max(0, wanted)
            return max(0, wanted)
        }
        for _ in 0..<more { pool.submit(self) }
    }

    func perform(isStopping: () -> Bool) {
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        do {
            while !isStopping(), let (unit, end) = takePiece() {
                let start = unit.position
                try read(unit, to: end, &buffer, isStopping)
                partial.beginWriting(start..<end)
                if finish(unit, end) {
                    let verdict = try conclude()
                    lock.withLock { _ in state.outcome = .success(verdict) }
                }
            }
        } catch {
            lock.withLock { _ in state.outcome = .failure(error) }
        }
    }

    // MARK: - Pieces

    /// The next bytes that can be read back; nil: there are none, and this worker counts no more.
    private func takePiece() -> (Unit, end: Int64)? {
        lock.withLock { _ in
            if state.outcome == nil {
                for number in state.first..<min(unitCount, state.first + ContentVerifier.lookAhead) {
                    let unit = state.units[number]
                    if unit?.isBusy ?? (state.digests[number] != nil) { continue }
                    let start = Int64(number) * unitSize
                    let end = unit?.range.upperBound ?? min(partial.size, start + unitSize)
                    let from = unit?.position ?? start
                    let there = min(end, state.present.end(from: from), from + ContentVerifier.piece)
                    guard there > from, there == end || there - from >= ContentVerifier.piece / 4 else { continue }
                    let taken = unit ?? Unit(start..<end)
                    taken.isBusy = true
                    state.units[number] = taken
                    return (taken, there)
                }
            }
            state.workers -= 1
            return nil
        }
    }

    private func read(_ unit: Unit, to end: Int64, _ buffer: inout [UInt8], _ isStopping: () -> Bool) throws {
        while unit.position < end {
            if isStopping() { throw IcecoreError(.interrupted, "interrupted") }
            let count = Int(min(Int64(buffer.count), end - unit.position))
            try buffer.withUnsafeMutableBytes { bytes in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
                try partial.read(into: part, at: unit.position)
                if isUnknown {
                    unit.sha256.update(UnsafeRawBufferPointer(part))
                } else {
                    unit.md5.update(UnsafeRawBufferPointer(part))
                }
            }
            unit.position += Int64(count)
        }
    }

    /// Takes a unit back. True: it was the last, and its taker concludes.
    private func finish(_ unit: Unit, _ end: Int64) -> Bool {
        lock.withLock { _ in
            unit.isBusy = false
            guard unit.position == unit.range.upperBound else { return false }
            let number = Int(unit.range.lowerBound / unitSize)
            state.units[number] = nil
            state.digests[number] = unit.takeDigest(isUnknown)
            if candidates.isEmpty { return true }
            while let digest = state.digests[state.first] {
                digest.withUnsafeBytes { whole.update($0) }
                state.digests[state.first] = nil
                state.first += 1
            }
            return state.first == unitCount
        }
    }

    // MARK: - The end

    private func conclude() throws -> Verdict {
        var verdict = try judge()
        if needsSHA256, case .checked(let partSize, _) = verdict {
            verdict = .checked(partSize: partSize, sha256: try ContentCheck.sha256(partial.path))
        }
        if verdict != .wrong {
            // On the disk before it gets its name; here nobody waits for that.
            try partial.synchronize()
        }
        return verdict
    }

    private func judge() throws -> Verdict {
        if candidates.isEmpty {
            let digest = lock.withLock { _ in state.digests[0] ?? [] }
            if isOpaque { return (expected ?? digest) == digest ? .opaque(sha256: digest) : .wrong }
            if isUnknown { return .unknownPartSize(sha256: digest) }
            return digest == etag.md5 ? .checked(partSize: nil, sha256: nil) : .wrong
        }
        var digest = MD5()
        swap(&digest, &whole)
        if unitCount == etag.parts, digest.finalize() == etag.md5 { return .checked(partSize: unitSize, sha256: nil) }
        if isPartSizeKnown { return .wrong }
        for partSize in candidates.dropFirst() {
            if try ContentCheck.matches(partial.path, etag, partSize: partSize) {
                return .checked(partSize: partSize, sha256: nil)
            }
        }
        return .unknownPartSize(sha256: try ContentCheck.sha256(partial.path))
    }
}
