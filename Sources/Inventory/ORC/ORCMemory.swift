import Glibc

/// How much memory the decoder of one stripe takes: whatever a file says, not more than this.
final class ORCMemory {
    /// Twelve columns of three streams in blocks of 256 KiB take 10 MiB; the rest is for dictionaries.
    static let limit = 160 << 20
    private var used = 0

    /// - Throws: ``ORCProblem`` if that would be too much.
    func take(_ count: Int) throws {
        guard count <= ORCMemory.limit - used else {
            throw ORCProblem(
                "needs more than \(ORCMemory.limit >> 20) MiB of memory to be read", isUnsupported: true)
        }
        used += count
    }

    func giveBack(_ count: Int) {
        used -= count
    }
}

/// Memory that grows. A few bytes after its end can be read, so that loops may work in words.
final class ORCBuffer {
    static let padding = 16
    private(set) var bytes: UnsafeMutableRawPointer
    private(set) var capacity: Int
    private let memory: ORCMemory

    init(_ capacity: Int, _ memory: ORCMemory) throws {
        try memory.take(capacity)
        self.memory = memory
        self.capacity = capacity
        bytes = ORCBuffer.allocate(capacity)
    }

    deinit {
        bytes.deallocate()
        memory.giveBack(capacity)
    }

    private static func allocate(_ capacity: Int) -> UnsafeMutableRawPointer {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: capacity + padding, alignment: 16)
        memset(bytes + capacity, 0, padding)
        return bytes
    }

    /// Makes room for `count` bytes, and keeps the first `kept` that are there; `bytes` may move.
    func grow(to count: Int, keeping kept: Int) throws {
        guard count > capacity else { return }
        try memory.take(count - capacity)
        let larger = ORCBuffer.allocate(count)
        if kept > 0 { larger.copyMemory(from: bytes, byteCount: kept) }
        bytes.deallocate()
        bytes = larger
        capacity = count
    }
}
