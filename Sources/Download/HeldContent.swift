import Basics
import Glibc
import Model
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

    fileprivate func give(back cost: Int) {
        used.subtract(cost, ordering: .relaxed)
    }
}

/// A small content in memory. One thread has it at a time: the loop's, then the writer's.
final class HeldContent: @unchecked Sendable {
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

    /// Gives the memory back before the object goes.
    func release() {
        guard let start else { return }
        start.deallocate()
        self.start = nil
        count = 0
        memory.give(back: cost)
    }

    /// Appends bytes. False: there are more than was said.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start, let source = bytes.baseAddress, bytes.count <= capacity - count else { return bytes.isEmpty }
        (start + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
        return true
    }

    /// Forgets what was appended.
    func clear() {
        count = 0
    }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start, count: count)
    }
}

/// Where a content is that has arrived.
enum ArrivedContent: Sendable {
    case memory(HeldContent)
    /// In its temporary file.
    case file

    /// Whether it is what a multipart ETag says, if its parts had this size.
    func matches(_ temporary: String, _ etag: ETag, partSize: Int64) throws -> Bool {
        switch self {
        case .memory(let content):
            var digest = PartedMD5(partSize: partSize)
            digest.update(content.bytes)
            let result = digest.finalize()
            return result.count == etag.parts && result.md5 == etag.md5
        case .file: return try ContentCheck.matches(temporary, etag, partSize: partSize)
        }
    }

    func sha256(_ temporary: String) throws -> [UInt8] {
        switch self {
        case .memory(let content):
            var digest = SHA256()
            digest.update(content.bytes)
            return digest.finalize()
        case .file: return try ContentCheck.sha256(temporary)
        }
    }
}
