import Basics

/// Where listings resume: the name in the index at a position that the kernel was given. Without it a listing would have
/// to search for its position from the beginning of the directory; with it, nothing has to be kept for an open
/// directory, and positions stay valid for seekdir(3), forever.
///
/// For each directory: exact ends of batches, and where the newest batch began, for a caller whose buffer held only part
/// of it. Bounded; a forgotten position only costs time.
final class ResumePoints: @unchecked Sendable {
    struct Mark: Hashable {
        var node: UInt64
        /// The position; -1: the beginning of the newest batch.
        var position: Int64
    }

    private let lock = Lock()
    private let limit: Int
    private var names: [Mark: [UInt8]] = [:]
    /// The keys of `names` in order of age, as a ring.
    private var ages: [Mark] = []
    private var oldest = 0

    init(limit: Int = 4096) {
        self.limit = limit
    }

    /// The name in the index that the listing had reached at the position.
    func name(_ node: UInt64, at position: Int64) -> [UInt8]? {
        lock.withLock { names[Mark(node: node, position: position)] }
    }

    /// The name after which the newest batch of the directory began.
    func newestBatch(_ node: UInt64) -> [UInt8]? {
        name(node, at: -1)
    }

    /// Remembers a batch that is not the last of its directory.
    func insert(_ node: UInt64, from start: [UInt8], to name: [UInt8], at position: Int64) {
        lock.withLock {
            put(Mark(node: node, position: -1), start)
            put(Mark(node: node, position: position), name)
        }
    }

    private func put(_ point: Mark, _ name: [UInt8]) {
        if names.updateValue(name, forKey: point) != nil { return }
        if ages.count < limit {
            ages.append(point)
        } else {
            names.removeValue(forKey: ages[oldest])
            ages[oldest] = point
            oldest = (oldest + 1) % limit
        }
    }
}
