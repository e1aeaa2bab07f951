import Basics
import S3

/// Writes the rows of one range, in list files that cover it from its beginning to its end.
struct RangeOutput {
    private let directory: String
    private let takeName: () -> String
    private let record: (ListedPiece) throws -> Void
    /// Where the file that is being written begins.
    private var lower: [UInt8]
    private var file: RangeFile?
    private var group = VersionGroup(key: [])
    private var lines: InventoryLines
    private var waiting = 0

    /// A file that would have more rows ends between two keys: what is in complete files is not listed again.
    private static let mostRows = 200_000
    private static let flushSize = 256 << 10
    /// The most versions of a key that are held until all of them have come, to be brought into order.
    private let mostHeld: Int

    init(
        from lower: [UInt8], lines: InventoryLines, in directory: String, mostHeld: Int = 50_000,
        takeName: @escaping () -> String, record: @escaping (ListedPiece) throws -> Void
    ) {
        self.mostHeld = mostHeld
        self.lower = lower
        self.lines = lines
        self.directory = directory
        self.takeName = takeName
        self.record = record
    }

    /// Adds rows of a page, which follow those before it.
    mutating func add(_ page: S3VersionPage, _ rows: Range<Int>, _ replacements: [KeyReplacement]) throws {
        // The key that was last may have no more rows.
        if let replacement = replacements.first(where: { $0.key == group.key }) { try group.replace(by: replacement) }
        var start = rows.lowerBound
        while start < rows.upperBound {
            let end = endOfKey(page, start, rows.upperBound)
            let key = page.copy(page.rows[start].key)
            if group.isEmpty || group.key != key {
                try flush()
                group = VersionGroup(key: key)
            }
            if end < rows.upperBound {
                group.add(page, start..<end)
            } else {
                // The last key may go on in the next page.
                group.add(page.excerpt(start..<end), 0..<(end - start))
            }
            if let replacement = replacements.first(where: { $0.key == key }) { try group.replace(by: replacement) }
            if group.count >= mostHeld {
                group.takeBeginning { row, bytes in
                    lines.append(row, in: bytes)
                    waiting += 1
                }
                if lines.bytes.count >= Self.flushSize { try write() }
            }
            start = end
        }
    }

    private func endOfKey(_ page: S3VersionPage, _ start: Int, _ limit: Int) -> Int {
        page.withBytes { bytes in
            let key = page.rows[start].key.bytes(in: bytes)
            var end = start + 1
            while end < limit, page.rows[end].key.bytes(in: bytes).isEqual(to: key) { end += 1 }
            return end
        }
    }

    /// The range ends here.
    mutating func finish(_ upper: [UInt8]?) throws {
        try flush()
        try close(upper)
    }

    private mutating func flush() throws {
        guard !group.isEmpty else { return }
        let key = group.key
        group.forEach { row, bytes in
            lines.append(row, in: bytes)
            waiting += 1
        }
        group = VersionGroup(key: [])
        if lines.bytes.count >= Self.flushSize { try write() }
        if (file?.rows ?? 0) + waiting >= Self.mostRows {
            try close(key)
            lower = key
        }
    }

    private mutating func write() throws {
        guard waiting > 0 else { return }
        let file = try self.file ?? RangeFile(takeName(), in: directory)
        self.file = file
        try file.write(lines.bytes, rows: waiting)
        lines.removeAll()
        waiting = 0
    }

    private mutating func close(_ upper: [UInt8]?) throws {
        try write()
        let range = KeyRange(lower: lower, upper: upper)
        guard let file else { return try record(ListedPiece(range: range, file: nil, rows: 0, size: 0, md5: [])) }
        let (size, md5) = try file.finish()
        try record(ListedPiece(range: range, file: file.name, rows: file.rows, size: size, md5: md5))
        self.file = nil
    }
}
