/// Lays out entries, which come sorted, in blocks.
struct BlockWriter {
    let layout: BlockLayout
    let marker: UInt32
    private var block: [UInt8] = []
    private var number: Int64 = 0
    private(set) var count: Int64 = 0

    init(_ layout: BlockLayout, marker: UInt32) {
        self.layout = layout
        self.marker = marker
        block.reserveCapacity(layout.blockLength)
    }

    /// Takes an entry, and passes a block on once it is full.
    mutating func append(_ entry: PackEntry, to write: (UnsafeRawBufferPointer) throws -> Void) throws {
        block.append(number: entry.key.high)
        block.append(number: entry.key.low)
        if layout.hasPack { block.append(number: entry.pack) }
        block.append(number: entry.place)
        count += 1
        if block.count == layout.entries * layout.entryLength { try finish(to: write) }
    }

    /// Passes on what is left.
    mutating func finish(to write: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard !block.isEmpty else { return }
        let (number, marker) = (number, marker)
        block.append(number: block.withUnsafeBytes { BlockLayout.check($0, number, marker: marker) })
        try block.withUnsafeBytes(write)
        block.removeAll(keepingCapacity: true)
        self.number += 1
    }
}
