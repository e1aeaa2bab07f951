import Basics

/// What a block says of where the entries of a key begin.
private enum BlockGuess {
    /// Before this block, whose first key is given, or with it.
    case lower(UInt64)
    /// Behind it; its last key is given.
    case higher(UInt64)
    case found([PackEntry], isWhole: Bool)
}

/// Sorted entries in a file, none of which is believed before its block's check agrees.
struct SortedBlocks: Sendable {
    let source: PackSource
    let layout: BlockLayout
    let marker: UInt32
    /// Where the first block begins.
    let start: Int64
    let count: Int64
    /// Where records can begin.
    let places: Range<Int64>

    var blockCount: Int64 { layout.blocks(count) }
    /// By how many blocks a first guess is wrong at most, nearly always: twice the standard deviation of where the keys are,
    /// which are as good as random numbers; no more than is cheap to read.
    private var spread: Int { min(16, 1 + Int(Double(count).squareRoot()) / layout.entries) }

    /// The bytes of some blocks.
    func range(_ blocks: Range<Int64>) -> Range<Int64> {
        let length = Int64(layout.blockLength)
        return start + blocks.lowerBound * length..<start + min(blocks.upperBound * length, layout.length(count))
    }

    /// Checks a block.
    ///
    /// - Parameter bytes: all of it.
    /// - Returns: its entries.
    func entries(_ bytes: UnsafeRawBufferPointer, ofBlock number: Int64) throws(IcecoreError) -> UnsafeRawBufferPointer
    {
        let entries = bytes.part(0..<(bytes.count - BlockLayout.checkLength))
        guard BlockLayout.check(entries, number, marker: marker) == bytes.number(at: entries.count, UInt32.self) else {
            throw source.damage("a damaged directory (block \(number))")
        }
        return entries
    }

    /// Whether an entry can be what follows another one.
    @inline(__always)
    func check(_ entry: PackEntry, after last: PackEntry?) throws(IcecoreError) {
        if let last, layout.hasPack ? entry <= last : entry.key <= last.key {
            throw source.damage("a directory that is not in order")
        }
        guard places.contains(Int64(entry.place)) else {
            throw source.damage("a directory that names a place outside the records (\(entry.place))")
        }
    }

    /// Reads and checks a block.
    private func read<Result>(
        _ number: Int64, _ memory: BlockMemory?, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        let range = range(number..<number + 1)
        if let memory {
            if memory.number != number {
                try memory.load(number, range.count) { buffer in
                    try source.read(into: buffer, at: range.lowerBound)
                    _ = try entries(UnsafeRawBufferPointer(buffer), ofBlock: number)
                }
            }
            return try memory.bytes.withUnsafeBytes { try body($0.part(0..<range.count - BlockLayout.checkLength)) }
        }
        return try withUnsafeTemporaryAllocation(byteCount: layout.blockLength, alignment: 8) { buffer in
            let block = UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count])
            let around = Int64(spread) * Int64(layout.blockLength)
            try source.read(
                into: block, at: range.lowerBound, around: range.lowerBound - around..<range.upperBound + around)
            return try body(entries(UnsafeRawBufferPointer(block), ofBlock: number))
        }
    }

    /// All entries of a key. Keys are digests, and so evenly spread: their place can be guessed. What guesses do not find soon,
    /// halves do.
    ///
    /// - Parameter memory: the asking thread's own: where keys are asked for in their order, a block is read once.
    func find(_ key: PackKey, _ memory: BlockMemory? = nil) throws -> [PackEntry] {
        // The first block whose last key is not below the key is in low...high.
        var (low, high) = (Int64(0), blockCount)
        var (lowKey, highKey) = (UInt64.min, UInt64.max)
        var steps = 0
        while low < high {
            // What is in memory costs nothing, and says where to go on from.
            let remembered = steps == 0 ? memory?.number : nil
            let guess =
                remembered.flatMap { $0 < high ? $0 : nil }
                ?? (steps < 6 ? guess(key.high, low..<high, lowKey, highKey) : low + (high - low) / 2)
            steps += 1
            let found: BlockGuess = try read(guess, memory) { bytes in
                let count = bytes.count / layout.entryLength
                let first = PackKey(bytes, at: 0)
                let last = PackKey(bytes, at: (count - 1) * layout.entryLength)
                if last < key { return .higher(last.high) }
                // With equal keys the first may be in a block before this.
                if first > key || (first == key && layout.hasPack && guess > low) { return .lower(first.high) }
                return try .found(search(bytes, key), isWhole: last != key)
            }
            switch found {
            case .higher(let last): (low, lowKey) = (guess + 1, last)
            case .lower(let first): (high, highKey) = (guess, first)
            case .found(let entries, let isWhole):
                return layout.hasPack && !isWhole
                    ? entries + (try following(key, guess + 1, entries.last, memory)) : entries
            }
        }
        return layout.hasPack ? try following(key, low, nil, memory) : []
    }

    private func guess(_ key: UInt64, _ blocks: Range<Int64>, _ low: UInt64, _ high: UInt64) -> Int64 {
        guard low < high, key > low else { return blocks.lowerBound }
        let share = min(1, Double(key - low) / Double(high - low))
        let guess = blocks.lowerBound + Int64(share * Double(blocks.count))
        return min(guess, blocks.upperBound - 1)
    }

    /// The entries of a key in a block.
    private func search(_ bytes: UnsafeRawBufferPointer, _ key: PackKey) throws(IcecoreError) -> [PackEntry] {
        let count = bytes.count / layout.entryLength
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if PackKey(bytes, at: middle * layout.entryLength) < key { low = middle + 1 } else { high = middle }
        }
        var found: [PackEntry] = []
        while low < count, case let entry = layout.entry(bytes, low), entry.key == key {
            try check(entry, after: found.last)
            found.append(entry)
            low += 1
        }
        return found
    }

    /// The entries of a key from the beginning of a block on.
    private func following(
        _ key: PackKey, _ block: Int64, _ last: PackEntry?, _ memory: BlockMemory?
    ) throws -> [PackEntry] {
        var found: [PackEntry] = []
        var number = block
        while number < blockCount {
            let more = try read(number, memory) { bytes in
                let entries = try search(bytes, key)
                let isWhole = entries.count < bytes.count / layout.entryLength
                return (entries, isWhole)
            }
            if let first = more.0.first { try check(first, after: found.last ?? last) }
            found += more.0
            if more.1 { break }
            number += 1
        }
        return found
    }
}
