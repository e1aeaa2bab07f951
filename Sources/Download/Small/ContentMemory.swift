import Synchronization

/// How many bytes of contents may be in memory at once: those that arrive, and those that wait to be written.
final class ContentMemory: Sendable {
    private let used = Atomic<Int>(0)
    let limit: Int
    /// Larger contents go to their file at once.
    let largest: Int

    init(limit: Int = 64 << 20, largest: Int = 256 << 10) {
        self.limit = limit
        self.largest = largest
    }

    /// Room for a content of so many bytes; nil where there is none, and the content has to go to a file.
    func hold(_ size: Int64) -> HeldContent? {
        guard size > 0, size <= Int64(largest) else { return nil }
        // What a content costs beside its bytes counts too.
        let cost = Int(size) + 512
        guard used.add(cost, ordering: .relaxed).newValue <= limit else {
            used.subtract(cost, ordering: .relaxed)
            return nil
        }
        return HeldContent(self, capacity: Int(size), cost: cost)
    }

    func give(back cost: Int) {
        used.subtract(cost, ordering: .relaxed)
    }
}
