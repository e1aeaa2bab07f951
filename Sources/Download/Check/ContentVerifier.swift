import Basics
import Blobs
import Glibc
import Model
import Synchronization

/// Checks a large content while it arrives: the pool's threads read back what has been written.
///
/// This checks what is in the file, including what an earlier process has left there. A multipart upload is checked part by
/// part, several at a time; other contents have one digest, which takes the bytes in their order.
final class ContentVerifier: Work, @unchecked Sendable {
    // Everything mutable is only touched under the lock, except a unit's digest while the unit is busy.

    /// A part, or the whole content.
    private final class Unit {
        let number: Int
        let range: Range<Int64>
        var position: Int64
        var isBusy = false
        var digest: PartDigest?

        init(_ number: Int, _ range: Range<Int64>, isSHA256: Bool) {
            self.number = number
            self.range = range
            position = range.lowerBound
            digest = PartDigest(isSHA256: isSHA256)
        }
    }

    private struct State {
        var present = ByteRanges()
        /// Units that have begun and are not finished, by their numbers.
        var units: [Int: Unit] = [:]
        /// Digests of finished units that wait for a unit before them.
        var digests: [Int: [UInt8]] = [:]
        /// The first unit whose digest has not been taken.
        var first = 0
        var workers = 0
        var outcome: Result<ContentDigest.Verdict, any Error>?
    }

    private let partial: PartialBlob
    private let expected: ExpectedDigest
    private let needsSHA256: Bool
    private let checksum: ChecksumRule?
    private let pool: WorkPool
    private let units: PartRanges
    private let lock = Mutex<Void>(())
    private var state = State()
    /// Takes the digests of the units; nil once it has decided.
    private var digest: ContentDigest?

    private static let piece: Int64 = 4 << 20
    /// How many units from the first unfinished one on may be begun.
    private static let lookAhead = 256

    /// - Parameters:
    ///   - needsSHA256: the SHA-256 is wanted even where the ETag vouches for the content.
    ///   - checksum: what decides where the ETag does not.
    init(
        _ partial: PartialBlob, _ expected: ExpectedDigest, needsSHA256: Bool, _ checksum: ChecksumRule?,
        _ pool: WorkPool
    ) {
        self.checksum = checksum
        self.partial = partial
        self.expected = expected
        self.needsSHA256 = needsSHA256
        self.pool = pool
        digest = ContentDigest(expected)
        units = PartRanges(expected.parts ?? .even(max(1, partial.size)), of: partial.size)
    }

    /// The verdict, or why there is none; nil before the end.
    var outcome: Result<ContentDigest.Verdict, any Error>? {
        lock.withLock { _ in state.outcome }
    }

    /// Takes note that more of the content has arrived.
    func arrived(_ ranges: ByteRanges) {
        let more = lock.withLock { _ -> Int in
            state.present = ranges
            guard state.outcome == nil else { return 0 }
            let wanted = min(pool.width, units.count) - state.workers
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

    /// The next bytes that can be read back; nil: there are none, and this worker no longer counts.
    private func takePiece() -> (Unit, end: Int64)? {
        lock.withLock { _ in
            if state.outcome == nil {
                for number in state.first..<min(units.count, state.first + ContentVerifier.lookAhead) {
                    let unit = state.units[number]
                    if unit?.isBusy ?? (state.digests[number] != nil) { continue }
                    let range = unit?.range ?? units[number]
                    let from = unit?.position ?? range.lowerBound
                    let there = min(range.upperBound, state.present.end(from: from), from + ContentVerifier.piece)
                    guard there > from, there == range.upperBound || there - from >= ContentVerifier.piece / 4 else {
                        continue
                    }
                    let taken = unit ?? Unit(number, range, isSHA256: expected.isSHA256)
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
                unit.digest?.update(UnsafeRawBufferPointer(part))
            }
            unit.position += Int64(count)
        }
    }

    /// Gives a unit back. Returns true if it was the last: then the caller concludes.
    private func finish(_ unit: Unit, _ end: Int64) -> Bool {
        lock.withLock { _ in
            unit.isBusy = false
            guard unit.position == unit.range.upperBound else { return false }
            state.units[unit.number] = nil
            state.digests[unit.number] = unit.digest.take()?.finalize()
            while let finished = state.digests.removeValue(forKey: state.first) {
                digest?.append(finished)
                state.first += 1
            }
            return state.first == units.count
        }
    }

    // MARK: - The end

    private func conclude() throws -> ContentDigest.Verdict {
        // All units are finished, so no other thread touches it.
        guard let digest = digest.take() else { return .undecided(sha256: nil) }
        var verdict = try digest.verdict(needsSHA256: needsSHA256) { try ContentCheck.read(partial.path, $0) }
        if let checksum { verdict = try checksum.verdict(verdict) { try ContentCheck.read(partial.path, $0) } }
        switch verdict {
        case .wrong: return verdict
        case .undecided(nil): verdict = .undecided(sha256: try ContentCheck.sha256(partial.path))
        case .checked, .opaque, .undecided: break
        }
        // Write it to the disk here, where nothing waits, before it gets its name.
        try partial.synchronize()
        return verdict
    }
}
