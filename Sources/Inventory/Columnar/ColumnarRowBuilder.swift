import Basics

/// Makes rows of the decoded columns of one group. What a field may hold is the same as in CSV, but that keys are what
/// they are: in columnar formats nothing is URL-encoded.
final class ColumnarRowBuilder: FieldReader {
    /// One for each ``WantedColumn/ofInventory``, to decode into.
    let columns: [ColumnVector]
    private let has: [Bool]
    private let name: String
    private let file: UInt32
    private let bucket: [UInt8]
    private let mustBeSorted: Bool
    /// Of the rows before the next ones, in the file.
    private var rowsBefore: Int
    /// The row that is being looked at, counted from 0 in what was decoded last.
    private var current = 0

    /// The years 0 to 9999, which a date of an inventory in CSV can have.
    private static let times: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

    /// - Parameters:
    ///   - file: the list file's index in the manifest.
    ///   - hasColumn: which of the columns the file has.
    ///   - firstRow: how many rows of the file are before the group.
    init(manifest: InventoryManifest, file: Int, hasColumn: [Bool], firstRow: Int, mustBeSorted: Bool) {
        columns = WantedColumn.ofInventory.map { _ in ColumnVector() }
        has = hasColumn
        name = manifest.files[file].key
        self.file = UInt32(truncatingIfNeeded: file)
        bucket = Array(manifest.sourceBucket.utf8)
        self.mustBeSorted = mustBeSorted
        rowsBefore = firstRow
    }

    private func column(_ column: InventoryColumn) -> ColumnVector? {
        has[column.slot] ? columns[column.slot] : nil
    }

    /// Appends the rows that have just been decoded into ``columns``; none of them if one cannot be.
    func append(_ count: Int, to batch: RowBatch) throws {
        let (first, used) = (batch.rows.count, batch.used)
        do {
            try checkBucket(count)
            try appendTexts(count, to: batch)
            try takeNumbers(&batch.rows, from: first)
        } catch {
            // What comes before an unsorted row is handed out, and must be whole.
            batch.rows.removeLast(batch.rows.count - first)
            batch.used = used
            throw error
        }
        rowsBefore += count
    }

    private func takeNumbers(_ rows: inout ContiguousArray<InventoryRow>, from first: Int) throws {
        try rows.withUnsafeMutableBufferPointer { rows in
            let rows = UnsafeMutableBufferPointer(rebasing: rows[first...])
            try takeTimes(rows)
            try takeSizes(rows)
            takeStorage(rows)
        }
    }

    // MARK: Columns, one after the other

    private func checkBucket(_ count: Int) throws {
        guard let column = column(.bucket) else { return }
        try column.withTexts { texts in
            // Mostly every row has the same bytes of a dictionary.
            var right: UnsafePointer<UInt8>?
            for row in 0..<count {
                let text = texts[row]
                if text.start == right, text.count == bucket.count, !column.hasNulls { continue }
                current = row
                guard !column.isNull(row), text.count == bucket.count, text.bytes.elementsEqual(bucket) else {
                    throw damaged(.bucket, column.isNull(row) ? nil : text, "is not the manifest's sourceBucket")
                }
                right = text.start
            }
        }
    }

    /// Appends the rows with what lies in the batch's bytes: key, version id, ETag.
    private func appendTexts(_ count: Int, to batch: RowBatch) throws {
        let versions = column(.versionId), etags = column(.etag)
        let latest = column(.isLatest), markers = column(.isDeleteMarker)
        let keys = columns[InventoryColumn.key.slot]
        batch.rows.reserveCapacity(batch.rows.count + count)
        try keys.withTexts { keyTexts in
            try (versions ?? keys).withTexts { versionTexts in
                try (etags ?? keys).withTexts { etagTexts in
                    for index in 0..<count {
                        current = index
                        var row = InventoryRow(
                            keyOffset: 0, keyLength: 0, versionOffset: 0, versionLength: 0, etagOffset: 0,
                            etagLength: 0, etagHigh: 0, etagLow: 0, etagParts: 0, flags: [], size: 0,
                            lastModified: Timestamp(milliseconds: 0), file: file,
                            line: UInt32(truncatingIfNeeded: rowsBefore + index + 1))
                        if let latest {
                            if try boolean(latest, .isLatest) { row.flags.insert(.latest) }
                        } else {
                            row.flags.insert(.latest)
                        }
                        if let markers, try boolean(markers, .isDeleteMarker) { row.flags.insert(.marker) }
                        let key = try checkedKey(keyTexts[index], isNull: keys.isNull(index))
                        var version = ByteSlice.nothing
                        if let versions {
                            if !versions.isNull(index) { version = versionTexts[index] }
                        } else {
                            row.flags.insert(.unknownVersion)
                        }
                        let etag = etags.map { $0.isNull(index) ? ByteSlice.nothing : etagTexts[index] }
                        // Longer ones are refused before they are copied.
                        batch.reserve(8 << 10)
                        try write(&row, key, version, etag, batch)
                    }
                }
            }
        }
    }

    @inline(__always)
    private func write(
        _ row: inout InventoryRow, _ key: ByteSlice, _ version: ByteSlice, _ etag: ByteSlice?, _ batch: RowBatch
    ) throws {
        let target = batch.bytes.assumingMemoryBound(to: UInt8.self)
        var output = batch.used
        row.keyOffset = UInt32(truncatingIfNeeded: output)
        row.keyLength = UInt32(truncatingIfNeeded: key.count)
        guard copyText(key, to: target + output) else { throw damaged(.key, key, "is not UTF-8") }
        if mustBeSorted { try checkOrder(key, batch) }
        output += key.count
        row.versionOffset = UInt32(truncatingIfNeeded: output)
        if !row.flags.contains(.unknownVersion) {
            try decodeVersionId(version, &row, target, &output)
        }
        row.etagOffset = UInt32(truncatingIfNeeded: output)
        if !row.flags.contains(.marker) {
            if let etag {
                try decodeETag(etag, &row, target, &output)
            } else {
                noteUnknownETag(&row, target, &output)
            }
        }
        batch.used = output
        batch.rows.append(row)
    }

    private func takeTimes(_ rows: UnsafeMutableBufferPointer<InventoryRow>) throws {
        let column = columns[InventoryColumn.lastModified.slot]
        try column.numbers.withUnsafeBufferPointer { numbers in
            for row in rows.indices {
                guard ColumnarRowBuilder.times.contains(numbers[row]), !column.isNull(row) else {
                    current = row
                    throw damaged(
                        column.isNull(row)
                            ? "there is no LastModifiedDate"
                            : "the LastModifiedDate, \(numbers[row]) milliseconds since 1970, is in no year up to 9999")
                }
                rows[row].lastModified = Timestamp(milliseconds: numbers[row])
            }
        }
    }

    private func takeSizes(_ rows: UnsafeMutableBufferPointer<InventoryRow>) throws {
        let column = columns[InventoryColumn.size.slot]
        try column.numbers.withUnsafeBufferPointer { numbers in
            for row in rows.indices where !rows[row].flags.contains(.marker) {
                guard numbers[row] >= 0, !column.isNull(row) else {
                    current = row
                    throw damaged(
                        column.isNull(row)
                            ? "the Size is empty, but the row is not a delete marker"
                            : "the Size \(numbers[row]) is not a number of bytes")
                }
                rows[row].size = numbers[row]
            }
        }
    }

    private func takeStorage(_ rows: UnsafeMutableBufferPointer<InventoryRow>) {
        let nothing = ByteSlice.nothing
        func text(_ column: ColumnVector?, _ texts: UnsafeBufferPointer<ByteSlice>, _ row: Int) -> ByteSlice {
            guard let column, !column.isNull(row) else { return nothing }
            return texts[row]
        }
        let classes = column(.storageClass), tiers = column(.accessTier), encryptions = column(.encryptionStatus)
        guard classes != nil || encryptions != nil else { return }
        let keys = columns[InventoryColumn.key.slot]
        (classes ?? keys).withTexts { classTexts in
            (tiers ?? keys).withTexts { tierTexts in
                (encryptions ?? keys).withTexts { encryptionTexts in
                    for row in rows.indices where !rows[row].flags.contains(.marker) {
                        rows[row].flags.formUnion(
                            storageFlags(
                                text(classes, classTexts, row), text(tiers, tierTexts, row),
                                text(encryptions, encryptionTexts, row)))
                    }
                }
            }
        }
    }

    // MARK: Fields

    @inline(__always)
    private func boolean(_ vector: ColumnVector, _ column: InventoryColumn) throws -> Bool {
        guard !vector.isNull(current) else {
            throw damaged("there is no \(column.rawValue)")
        }
        return vector.numbers[current] != 0
    }

    @inline(__always)
    private func checkedKey(_ key: ByteSlice, isNull: Bool) throws -> ByteSlice {
        guard !isNull, key.count > 0 else { throw damaged("the key is empty") }
        guard key.count <= InventoryRow.longestKey else {
            throw damaged("the key is longer than \(InventoryRow.longestKey) bytes")
        }
        return key
    }

    @inline(__always)
    private func checkOrder(_ key: ByteSlice, _ batch: RowBatch) throws {
        if let previous = batch.rows.last {
            let start = batch.bytes.assumingMemoryBound(to: UInt8.self) + Int(previous.keyOffset)
            if key.precedes(ByteSlice(start: start, count: Int(previous.keyLength))) {
                throw UnsortedInventory(file: name, line: UInt32(truncatingIfNeeded: rowsBefore + current + 1))
            }
        }
    }

    @inline(never)
    func damaged(_ problem: String) -> IcecoreError {
        IcecoreError(
            .invalidData,
            "list file '\(Display.escaped(name))', row \(rowsBefore + current + 1): \(problem); "
                + InventoryAdvice.otherDate)
    }

    private func damaged(_ column: InventoryColumn, _ field: ByteSlice?, _ problem: String) -> IcecoreError {
        guard let field else { return damaged("there is no \(column.rawValue)") }
        return damaged(column, field, problem)
    }
}

extension ColumnVector {
    @inline(__always)
    func isNull(_ row: Int) -> Bool { hasNulls && isNull[row] }

    /// Passes the texts; of a column of another kind, none that may be looked at.
    @inline(__always)
    func withTexts<Result>(_ body: (UnsafeBufferPointer<ByteSlice>) throws -> Result) rethrows -> Result {
        try texts.withUnsafeBufferPointer(body)
    }
}
