/// A small content in memory. One thread owns it at a time: the loop's, then the writer's.
final class HeldContent: @unchecked Sendable {
    private let memory: ContentMemory
    private let cost: Int
    private let capacity: Int
    private var start: UnsafeMutableRawPointer?
    private(set) var count = 0

    init(_ memory: ContentMemory, capacity: Int, cost: Int) {
        self.memory = memory
        self.capacity = capacity
        self.cost = cost
        start = .allocate(byteCount: capacity, alignment: 1)
    }

    deinit {
        release()
    }

    /// Gives the memory back before the object is deinitialized.
    func release() {
        guard let start else { return }
        start.deallocate()
        self.start = nil
        count = 0
        memory.give(back: cost)
    }

    /// Appends bytes. Returns false if they exceed the capacity.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start, let source = bytes.baseAddress, bytes.count <= capacity - count else { return bytes.isEmpty }
        (start + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
        return true
    }

    /// Removes what was appended.
    func clear() {
        count = 0
    }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start, count: count)
    }
}
