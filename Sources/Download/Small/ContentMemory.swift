import Synchronization

/// The memory for small contents, both those that arrive and those that wait to be written.
package final class ContentMemory: Sendable {
    private let used = Atomic<Int>(0)
    let limit: Int
    /// Larger contents go straight to their file.
    let largest: Int

    package init(limit: Int = 64 << 20, largest: Int = 256 << 10) {
        self.limit = limit
        self.largest = largest
    }

    /// Room for a content of `size` bytes; nil: there is none, and the content has to go to a file.
    package func hold(_ size: Int64) -> HeldContent? {
        guard size > 0, size <= Int64(largest) else { return nil }
        // Count what a content costs besides its bytes.
        let cost = Int(size) + 512
        guard used.add(cost, ordering: .relaxed).newValue <= limit else {
            used.subtract(cost, ordering: .relaxed)
            return nil
        }
        return HeldContent(self, capacity: Int(size), cost: cost)
    }

    fileprivate func give(back cost: Int) {
        used.subtract(cost, ordering: .relaxed)
    }
}

/// A small content in memory. One thread owns it at a time: the loop's, then the writer's.
package final class HeldContent: @unchecked Sendable {
    private let memory: ContentMemory
    private let cost: Int
    private let capacity: Int
    private var start: UnsafeMutableRawPointer?
    private(set) var count = 0

    fileprivate init(_ memory: ContentMemory, capacity: Int, cost: Int) {
        self.memory = memory
        self.capacity = capacity
        self.cost = cost
        start = .allocate(byteCount: capacity, alignment: 1)
    }

    deinit {
        release()
    }

    /// Gives the memory back before the object is deinitialized.
    package func release() {
        guard let start else { return }
        start.deallocate()
        self.start = nil
        count = 0
        memory.give(back: cost)
    }

    /// Appends bytes. Returns false if they exceed the capacity.
    package func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start, let source = bytes.baseAddress, bytes.count <= capacity - count else { return bytes.isEmpty }
        (start + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
        return true
    }

    /// Removes what was appended.
    func clear() {
        count = 0
    }

    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start, count: count)
    }
}
