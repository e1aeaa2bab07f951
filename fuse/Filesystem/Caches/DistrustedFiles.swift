import Synchronization

/// Files of which readers were given bytes that turned out to be wrong: the kernel is to forget what it keeps of them.
///
/// Not by the thread that finds out, for the kernel may wait for reads that this one has to answer.
final class DistrustedFiles: Sendable {
    private let nodes = Mutex<Set<UInt64>>([])

    func add(_ more: Set<UInt64>) {
        nodes.withLock { $0.formUnion(more) }
    }

    func takeAll() -> Set<UInt64> {
        nodes.withLock { nodes in
            defer { nodes = [] }
            return nodes
        }
    }
}
