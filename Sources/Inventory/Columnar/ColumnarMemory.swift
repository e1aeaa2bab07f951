import Glibc

/// How much memory the decoder of one group takes: whatever a file says, not more than this. Five groups at once stay
/// below half a gigabyte.
final class ColumnarMemory {
    /// Of ORC, twelve columns of three streams in blocks of 256 KiB take 10 MiB; of Parquet, twelve with a page and a
    /// dictionary of 1 MiB each 24 MiB. The rest is for large dictionaries.
    static let limit = 96 << 20
    private var used = 0

    /// - Throws: ``ColumnarProblem`` if that would be too much.
    func take(_ count: Int) throws {
        guard count <= ColumnarMemory.limit - used else {
            throw ColumnarProblem(
                "needs more than \(ColumnarMemory.limit >> 20) MiB of memory to be read", isUnsupported: true)
        }
        used += count
    }

    func giveBack(_ count: Int) {
        used -= count
    }
}

/// Memory that grows. A few bytes after its end can be read, so that loops may work in words.
final class ColumnarBuffer {
    static let padding = 16
    private(set) var bytes: UnsafeMutableRawPointer
    private(set) var capacity: Int
    private let memory: ColumnarMemory

    init(_ capacity: Int, _ memory: ColumnarMemory) throws {
        try memory.take(capacity)
        self.memory = memory
        self.capacity = capacity
        bytes = ColumnarBuffer.allocate(capacity)
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
        if kept > 0 {
            let larger = ColumnarBuffer.allocate(count)
            larger.copyMemory(from: bytes, byteCount: kept)
            bytes.deallocate()
            bytes = larger
        } else {
            // Never both at once.
            bytes.deallocate()
            bytes = ColumnarBuffer.allocate(count)
        }
        capacity = count
    }
}
