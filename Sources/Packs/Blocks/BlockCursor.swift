import Basics

/// Sorted entries one after the other, read a few blocks at a time.
public final class BlockCursor {
    private let blocks: SortedBlocks
    private var buffer: [UInt8]
    private let chunk: Int64
    /// The blocks that have been read, and those of them that have been checked.
    private var loaded: Range<Int64> = 0..<0
    private var next: Int64 = 0
    private var entries: Range<Int> = 0..<0
    private var last: PackEntry?

    /// - Parameter bytes: about how much memory to take.
    init(_ blocks: SortedBlocks, buffer bytes: Int) {
        self.blocks = blocks
        chunk = Int64(max(1, bytes / blocks.layout.blockLength))
        buffer = []
    }

    /// The next entry; nil at the end.
    public func read() throws -> PackEntry? {
        if entries.isEmpty {
            guard next < blocks.blockCount else { return nil }
            if next == loaded.upperBound { try load() }
            let length = blocks.layout.blockLength
            let start = Int(next - loaded.lowerBound) * length
            let end = min(start + length, buffer.count)
            let used = try buffer.withUnsafeBytes { try blocks.entries($0.part(start..<end), ofBlock: next).count }
            entries = start..<start + used
            next += 1
        }
        let (layout, start) = (blocks.layout, entries.lowerBound)
        let entry = buffer.withUnsafeBytes { layout.entry(UnsafeRawBufferPointer(rebasing: $0[start...]), 0) }
        try blocks.check(entry, after: last)
        last = entry
        entries = start + layout.entryLength..<entries.upperBound
        return entry
    }

    private func load() throws {
        try Interruption.check()
        loaded = next..<min(next + chunk, blocks.blockCount)
        let range = blocks.range(loaded)
        if buffer.count != range.count { buffer = [UInt8](repeating: 0, count: range.count) }
        let source = blocks.source
        try buffer.withUnsafeMutableBytes { try source.read(into: $0, at: range.lowerBound) }
    }
}
