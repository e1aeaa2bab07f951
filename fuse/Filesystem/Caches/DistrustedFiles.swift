import Synchronization

/// Files whose readers were given bytes that turned out to be wrong: the kernel must drop what it has cached of them.
///
/// The thread that finds out must not tell the kernel, which may be waiting for reads that this thread has to answer.
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
