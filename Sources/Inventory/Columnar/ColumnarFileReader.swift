import Basics

/// Reads the rows of one list file in a columnar format. Several of its groups may be decoded at once, each by one thread;
/// their rows are handed out in the order of the file.
final class ColumnarFileReader: ListFileReader, @unchecked Sendable {
    /// A group that is being decoded, or whose rows have not all been taken.
    final class OpenGroup {
        fileprivate let number: Int
        /// Made by the group's first step, and gone with its last.
        fileprivate var decoder: (any ColumnarGroup)?
        fileprivate var builder: ColumnarRowBuilder?

        // Guarded by the pool's lock.
        var batches: [RowBatch] = []
        var isDecoding = false
        fileprivate(set) var hasEnded = false

        fileprivate init(number: Int) { self.number = number }
    }

    private let manifest: InventoryManifest
    private let mustBeSorted: Bool
    private var file: (any ColumnarFile)?
    /// How many rows there are before each group.
    private var firstRows: [Int] = []

    // Guarded by the pool's lock.
    var isOpening = false
    /// The file's own description has been read.
    var isOpen = false
    /// In the order of the file.
    private(set) var groups: [OpenGroup] = []
    private var nextGroup = 0
    /// Of the last row that was taken.
    private var lastKey: [UInt8]?

    /// About how many rows a batch has at least, unless its group ends.
    private static let batchRows = 2048
    /// A decoder of an ordinary file: twelve columns, of which each has a page and a dictionary, or the blocks of three
    /// streams. A hostile one takes up to ``ColumnarMemory/limit``; so that there are never more than five at once, a
    /// merge opens no more files than this allows.
    static let memory = 32 << 20

    init(manifest: InventoryManifest, index: Int, path: String, mustBeSorted: Bool, progress: InventoryProgress) {
        self.manifest = manifest
        self.mustBeSorted = mustBeSorted
        super.init(manifest: manifest, index: index, path: path, progress: progress)
    }

    override var memory: Int { ColumnarFileReader.memory }
    override var readyCount: Int { groups.first?.batches.count ?? 0 }
    override var hasParsed: Bool { isOpen && groups.isEmpty && nextGroup == firstRows.count }

    override func takeBatch() throws -> RowBatch? {
        guard let group = groups.first, !group.batches.isEmpty else { return nil }
        let batch = group.batches.removeFirst()
        dropEndedGroups()
        // Inside a group the builder has looked at the order.
        if mustBeSorted, let first = batch.rows.first, let last = batch.rows.last {
            if let lastKey, batch.key(of: first).lexicographicallyPrecedes(lastKey) {
                throw UnsortedInventory(file: manifest.files[index].key, line: first.line)
            }
            lastKey = Array(batch.key(of: last))
        }
        return batch
    }

    /// The next group to decode; nil if all have begun.
    func beginGroup() -> OpenGroup? {
        guard nextGroup < firstRows.count else { return nil }
        defer { nextGroup += 1 }
        let group = OpenGroup(number: nextGroup)
        groups.append(group)
        return group
    }

    /// A group will have no more batches.
    func end(_ group: OpenGroup) {
        group.hasEnded = true
        dropEndedGroups()
    }

    private func dropEndedGroups() {
        while let first = groups.first, first.hasEnded, first.batches.isEmpty { groups.removeFirst() }
    }

    // MARK: Steps

    /// Reads the file's own description.
    func openColumns() throws {
        try blaming {
            let file = try manifest.format.open(path, WantedColumn.ofInventory)
            try ColumnarColumns(file).check { damaged($0, isUnsupported: true) }
            var sum = 0
            firstRows = (0..<file.groupCount).map { index in
                defer { sum += file.rowCount(ofGroup: index) }
                return sum
            }
            self.file = file
        }
    }

    /// Decodes some rows of a group.
    ///
    /// - Returns: whether there may be more.
    func decode(_ group: OpenGroup, into batch: RowBatch) throws -> Bool {
        batch.removeAll()
        guard let file else { return false }
        return try blaming {
            let decoder = try group.decoder ?? file.group(group.number)
            group.decoder = decoder
            let builder =
                group.builder
                ?? ColumnarRowBuilder(
                    manifest: manifest, file: index, hasColumn: file.hasColumn, firstRow: firstRows[group.number],
                    mustBeSorted: mustBeSorted)
            group.builder = builder
            defer { progress.add(rows: batch.rows.count) }
            while batch.rows.count < ColumnarFileReader.batchRows {
                let count = try decoder.next(into: builder.columns)
                guard count > 0 else {
                    group.decoder = nil
                    group.builder = nil
                    return false
                }
                try builder.append(count, to: batch)
            }
            return true
        }
    }

    private func blaming<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let damage as ColumnarDamage {
            throw damaged(damage.problem, isUnsupported: damage.isUnsupported)
        }
    }

    private func damaged(_ problem: String, isUnsupported: Bool) -> IcecoreError {
        guard isUnsupported else { return damaged(problem) }
        return IcecoreError(
            .unsupported,
            "list file '\(Display.escaped(manifest.files[index].key))' \(problem); \(InventoryAdvice.otherWays)")
    }
}

extension ColumnarFileReader {
    /// The first key of a list file; nil for one without rows. Opens, reads a little, closes.
    ///
    /// A file without a readable row is not refused here, but when it is read as a whole, with its checksum.
    static func firstKey(manifest: InventoryManifest, path: String) throws -> [UInt8]? {
        do {
            let file = try manifest.format.open(path, [.key])
            guard file.hasColumn == [true] else { return nil }
            let key = ColumnVector()
            var first: [UInt8]?
            for index in 0..<file.groupCount where file.rowCount(ofGroup: index) > 0 {
                // The text's bytes are the group's.
                let group = try file.group(index)
                try withExtendedLifetime(group) {
                    guard try group.next(into: [key]) > 0, !key.isNull(0), let text = key.texts.first else { return }
                    first = Array(text.bytes.prefix(InventoryRow.longestKey))
                }
                return first
            }
        } catch is ColumnarDamage {
            return nil
        }
        return nil
    }
}
