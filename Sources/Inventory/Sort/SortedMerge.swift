import HeapModule

/// Merges sorted sources into one. Batches pass through whole if no other source has rows in between.
final class SortedMerge: RowSource {
    /// About how many rows, and bytes, a batch of mixed rows has.
    private static let batchRows = 2048
    private static let batchBytes = 256 << 10

    /// The source with the lowest key; nil once all have ended.
    private var current: MergeCursor?
    private var others: Heap<MergeCursor>
    private let output = RowBatch()
    /// The current source's batch has been returned whole.
    private var isLent = false
    /// How many of the sources are open.
    private(set) var openCount = 0
    private let mostOpen: Int

    /// - Parameter mostOpen: more overlapping sources are an ``UnsortedInventory``.
    init(_ cursors: [MergeCursor], mostOpen: Int = .max) {
        self.mostOpen = mostOpen
        others = Heap(cursors)
        current = others.popMin()
    }

    func next() throws -> RowBatch? {
        if isLent, let current {
            isLent = false
            try advance(current)
        }
        output.removeAll()
        while let current {
            guard let batch = current.batch else {
                openCount += 1
                guard openCount <= mostOpen else { throw UnsortedInventory(file: nil, line: 0) }
                try advance(current)
                continue
            }
            let limit = others.min?.key
            let rows = batch.rows.count
            if current.index == 0, isWhole(batch, upTo: limit) {
                if !output.rows.isEmpty { return output }
                isLent = true
                return batch
            }
            var end = current.index + 1
            if let limit {
                while end < rows, !limit.precedes(batch.key(at: end)) { end += 1 }
            } else {
                end = rows
            }
            output.append(batch, current.index..<end)
            current.index = end
            if end == rows {
                try advance(current)
            } else {
                current.updateKey()
                selectLowest(current)
            }
            if output.rows.count >= SortedMerge.batchRows || output.used >= SortedMerge.batchBytes { return output }
        }
        return output.rows.isEmpty ? nil : output
    }

    private func isWhole(_ batch: RowBatch, upTo limit: ByteSlice?) -> Bool {
        guard let limit else { return true }
        return !limit.precedes(batch.key(at: batch.rows.count - 1))
    }

    /// Loads the next batch of the current source, which leaves the merge at its end.
    private func advance(_ cursor: MergeCursor) throws {
        if try cursor.loadBatch() {
            selectLowest(cursor)
        } else {
            openCount -= 1
            current = others.popMin()
        }
    }

    /// Exchanges the current source for another one if that has a lower key now.
    private func selectLowest(_ cursor: MergeCursor) {
        if let lowest = others.min, lowest < cursor { current = others.replaceMin(with: cursor) }
    }
}
