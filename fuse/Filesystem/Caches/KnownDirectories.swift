/// The directories whose attributes and listing the kernel may keep until it is told otherwise: those to invalidate
/// when a sync has committed. Bounded: a directory that finds no room gets short time-outs.
final class KnownDirectories: @unchecked Sendable {
    private let lock = Lock()
    private let limit: Int
    private var nodes: Set<UInt64> = []

    init(limit: Int = 1 << 17) {
        self.limit = limit
    }

    /// Whether the directory is now in the set.
    func insert(_ node: UInt64) -> Bool {
        lock.withLock {
            if nodes.count >= limit { return nodes.contains(node) }
            nodes.insert(node)
            return true
        }
    }

    /// All of them; empties the set.
    func takeAll() -> Set<UInt64> {
        lock.withLock {
            defer { nodes = [] }
            return nodes
        }
    }
}
