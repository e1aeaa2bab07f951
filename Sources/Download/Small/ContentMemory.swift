import Synchronization

/// The memory for small contents, both those that arrive and those that wait to be written.
final class ContentMemory: Sendable {
    private let used = Atomic<Int>(0)
    let limit: Int
    /// Larger contents go straight to their file.
    let largest: Int

    init(limit: Int = 64 << 20, largest: Int = 256 << 10) {
        self.limit = limit
        self.largest = largest
    }

    /// Room for a content of `size` bytes; nil: there is none, and the content has to go to a file.
    func hold(_ size: Int64) -> HeldContent? {
        guard size > 0, size <= Int64(largest) else { return nil }
        // Count what a content costs besides its bytes.
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
