import Basics
import Glibc

/// Parses the rows of one CSV list file.
///
/// The usual row (every field in quotation marks, none inside, `\n` at the end) is scanned eight bytes at a time; any
/// other row is read again from its start by the rules of RFC 4180.
final class CSVRowParser: FieldReader {
    /// The most bytes of a row; an unbalanced quotation mark must not fill the memory with the rest of the file.
    static let longestRow = 1 << 20

    let name: String
    let file: UInt32
    /// Whether a row that sorts before the previous one is an ``UnsortedInventory``.
    private let mustBeSorted: Bool
    private let bucket: [UInt8]
    /// An error is on the next line: rows count as lines, although a quoted field may contain an end of line.
    private(set) var rowsParsed: UInt32 = 0

    // One slot for each known column, and a last one for all others.
    let slots: UnsafeMutableBufferPointer<Int>
    let fields: UnsafeMutableBufferPointer<ByteSlice>
    private static let unknownSlot = InventoryColumn.allCases.count
    private let present: [Bool]

    let empty = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
    /// Fields whose doubled quotation marks had to be halved.
    var scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: 4096)
    var scratchCapacity = 4096

    private var lastKey: [UInt8] = []
    // Neighbouring rows are mostly of the same day: its ten characters and its first millisecond.
    private var cachedDayHigh: UInt64 = 0
    private var cachedDayLow: UInt16 = 0
    private var cachedMidnight: Int64 = 0

    init(manifest: InventoryManifest, file: Int, mustBeSorted: Bool) {
        name = manifest.files[file].key
        self.file = UInt32(truncatingIfNeeded: file)
        self.mustBeSorted = mustBeSorted
        bucket = Array(manifest.sourceBucket.utf8)
        slots = .allocate(capacity: manifest.columns.count)
        fields = .allocate(capacity: CSVRowParser.unknownSlot + 1)
        empty.initialize(repeating: 0, count: 16)
        fields.initialize(repeating: ByteSlice(start: UnsafePointer(empty), count: 0))
        var present = [Bool](repeating: false, count: CSVRowParser.unknownSlot + 1)
        for (place, column) in manifest.columns.enumerated() {
            let slot = column.map(\.slot) ?? CSVRowParser.unknownSlot
            slots[place] = slot
            present[slot] = true
        }
        self.present = present
    }

    deinit {
        slots.deallocate()
        fields.deallocate()
        empty.deallocate()
        scratch.deallocate()
    }

    /// Parses all complete rows of `bytes` and appends them to `batch`.
    ///
    /// - Parameters:
    ///   - bytes: followed by ``TextBlock/padding`` bytes of writable memory, for a sentinel.
    ///   - isLast: whether nothing follows, so that the last row may lack its end of line.
    ///   - limit: the most rows to parse.
    /// - Returns: how many of the bytes were parsed.
    func parse(
        _ bytes: UnsafeMutableRawBufferPointer, isLast: Bool, limit: Int = .max, into batch: RowBatch
    ) throws -> Int {
        guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), !bytes.isEmpty else { return 0 }
        let start = UnsafePointer(base)
        let end = start + bytes.count
        (base + bytes.count).update(repeating: UInt8(ascii: "\""), count: 16)

        // Decoded, a row grows by the four bytes of `null` at most; no row is shorter than ten bytes.
        batch.reserve(bytes.count * 2 + 64)
        var rows = ContiguousArray<InventoryRow>()
        swap(&rows, &batch.rows)
        var output = batch.used
        let target = batch.bytes.assumingMemoryBound(to: UInt8.self)
        defer {
            swap(&rows, &batch.rows)
            batch.used = output
        }
        var previousKey = rows.last.map { ByteSlice(start: target + Int($0.keyOffset), count: Int($0.keyLength)) }

        var position = start
        let first = rows.count
        while position < end, rows.count - first < limit {
            var next = scanUsualRow(position, end)
            if next == nil { next = try readAnyRow(position, end, isLast: isLast) }
            guard let next else {
                if end - position > CSVRowParser.longestRow { throw tooLong() }
                break
            }
            if next - position > CSVRowParser.longestRow { throw tooLong() }
            var row = InventoryRow(
                keyOffset: 0, keyLength: 0, versionOffset: 0, versionLength: 0, etagOffset: 0, etagLength: 0,
                etagHigh: 0, etagLow: 0, etagParts: 0, flags: [], size: 0, lastModified: Timestamp(milliseconds: 0),
                file: file, line: rowsParsed &+ 1)
            let keyStart = output
            try decode(&row, target, &output)
            if mustBeSorted {
                let key = ByteSlice(start: target + keyStart, count: Int(row.keyLength))
                if let previousKey {
                    if key.precedes(previousKey) { throw unsorted() }
                } else if !lastKey.isEmpty, lastKey.withUnsafeBufferPointer({ isUnsorted(key, after: $0) }) {
                    throw unsorted()
                }
                previousKey = key
            }
            rows.append(row)
            rowsParsed &+= 1
            position = next
        }
        if mustBeSorted, let previousKey {
            lastKey.removeAll(keepingCapacity: true)
            lastKey.append(contentsOf: UnsafeBufferPointer(start: previousKey.start, count: previousKey.count))
        }
        return position - start
    }

    /// Finds the fields of a row of the usual form; nil if it is of another form, or not complete.
    @inline(__always)
    private func scanUsualRow(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        let quote = UInt8(ascii: "\"")
        let slots = UnsafePointer(slots.baseAddress), count = self.slots.count
        let fields = fields.baseAddress
        guard let slots, let fields else { return nil }
        var position = start
        var place = 0
        while true {
            // The sentinel after the end keeps these reads inside the memory.
            guard position < end, position.pointee == quote else { return nil }
            let content = position + 1
            let close = quotationMark(from: content)
            guard close < end else { return nil }
            fields[slots[place]] = ByteSlice(start: content, count: close - content)
            place &+= 1
            position = close + 2
            if place == count { break }
            guard close[1] == UInt8(ascii: ",") else { return nil }
        }
        guard position <= end, position[-1] == UInt8(ascii: "\n") else { return nil }
        return position
    }

    /// Fills the row from its fields, and writes the bytes of key, version id and ETag to `target` in this order.
    @inline(__always)
    private func decode(
        _ row: inout InventoryRow, _ target: UnsafeMutablePointer<UInt8>, _ output: inout Int
    ) throws(IcecoreError) {
        guard let fields = fields.baseAddress else { return }
        let bucketField = fields[InventoryColumn.bucket.slot]
        guard bucketField.count == bucket.count,
            bucket.withUnsafeBufferPointer({ memcmp($0.baseAddress ?? bucketField.start, bucketField.start, $0.count) })
                == 0
        else { throw damaged(.bucket, bucketField, "is not the manifest's sourceBucket") }

        row.keyOffset = UInt32(truncatingIfNeeded: output)
        let keyLength = try decodeKey(fields[InventoryColumn.key.slot], to: target + output)
        row.keyLength = UInt32(truncatingIfNeeded: keyLength)
        output &+= keyLength

        row.versionOffset = UInt32(truncatingIfNeeded: output)
        if present[InventoryColumn.versionId.slot] {
            try decodeVersionId(fields[InventoryColumn.versionId.slot], &row, target, &output)
        } else {
            row.flags.insert(.unknownVersion)
        }

        if present[InventoryColumn.isLatest.slot] {
            if try decodeBoolean(.isLatest, fields[InventoryColumn.isLatest.slot]) { row.flags.insert(.latest) }
        } else {
            row.flags.insert(.latest)
        }
        row.lastModified = try decodeDate(fields[InventoryColumn.lastModified.slot])
        row.etagOffset = UInt32(truncatingIfNeeded: output)
        if present[InventoryColumn.isDeleteMarker.slot],
            try decodeBoolean(.isDeleteMarker, fields[InventoryColumn.isDeleteMarker.slot])
        {
            row.flags.insert(.marker)
            return
        }
        row.size = try decodeSize(fields[InventoryColumn.size.slot])
        if present[InventoryColumn.etag.slot] {
            try decodeETag(fields[InventoryColumn.etag.slot], &row, target, &output)
        } else {
            noteUnknownETag(&row, target, &output)
        }
        row.flags.formUnion(
            storageFlags(
                fields[InventoryColumn.storageClass.slot], fields[InventoryColumn.accessTier.slot],
                fields[InventoryColumn.encryptionStatus.slot]))
    }

    // MARK: Fields

    @inline(__always)
    private func decodeBoolean(_ column: InventoryColumn, _ field: ByteSlice) throws(IcecoreError) -> Bool {
        if field.count == 4, loadUInt32(field.start) | 0x2020_2020 == 0x6575_7274 { return true }
        if field.count == 5, loadUInt32(field.start) | 0x2020_2020 == 0x736C_6166, field.start[4] | 0x20 == 0x65 {
            return false
        }
        throw damaged(column, field, "is neither true nor false")
    }

    @inline(__always)
    private func decodeSize(_ field: ByteSlice) throws(IcecoreError) -> Int64 {
        guard field.count > 0 else { throw damaged(.size, field, "is empty, but the row is not a delete marker") }
        var value: Int64 = 0
        if field.count <= 18 {
            // 18 digits cannot overflow.
            for index in 0..<field.count {
                let digit = field.start[index] &- 48
                guard digit <= 9 else { throw damaged(.size, field, "is not a number of bytes") }
                value = value &* 10 &+ Int64(digit)
            }
            return value
        }
        for index in 0..<field.count {
            let digit = field.start[index] &- 48
            guard digit <= 9 else { throw damaged(.size, field, "is not a number of bytes") }
            let (product, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = product.addingReportingOverflow(Int64(digit))
            guard !overflows, !overflowsToo else { throw damaged(.size, field, "is larger than any object") }
            value = sum
        }
        return value
    }

    @inline(__always)
    private func decodeDate(_ field: ByteSlice) throws(IcecoreError) -> Timestamp {
        let text = field.start
        // 2022-04-09T21:52:14.000Z, on the same day as the previous row.
        if field.count == 24, loadUInt64(text) == cachedDayHigh, loadUInt16(text + 8) == cachedDayLow,
            text[10] == UInt8(ascii: "T"), text[13] == UInt8(ascii: ":"), text[16] == UInt8(ascii: ":"),
            text[19] == UInt8(ascii: "."), text[23] == UInt8(ascii: "Z")
        {
            var valid = true
            @inline(__always) func digit(_ index: Int) -> Int64 {
                let digit = text[index] &- 48
                valid = valid && digit <= 9
                return Int64(digit)
            }
            let hour = digit(11) &* 10 &+ digit(12)
            let minute = digit(14) &* 10 &+ digit(15)
            let second = digit(17) &* 10 &+ digit(18)
            let millisecond = digit(20) &* 100 &+ digit(21) &* 10 &+ digit(22)
            if valid, hour < 24, minute < 60, second < 60 {
                let seconds = hour &* 3600 &+ minute &* 60 &+ second
                return Timestamp(milliseconds: cachedMidnight &+ seconds &* 1000 &+ millisecond)
            }
        }
        return try decodeUnusualDate(field)
    }

    @inline(never)
    private func decodeUnusualDate(_ field: ByteSlice) throws(IcecoreError) -> Timestamp {
        guard let instant = Timestamp(rfc3339: field.bytes) else {
            throw damaged(.lastModified, field, "is not a date and time as in 2022-04-09T21:52:14.000Z")
        }
        if field.count == 24, field.start[23] == UInt8(ascii: "Z"), field.start[10] == UInt8(ascii: "T") {
            let day = instant.milliseconds % 86_400_000
            // A leap second counts as part of the next day.
            if loadUInt16(field.start + 17) != 0x3036 {
                cachedDayHigh = loadUInt64(field.start)
                cachedDayLow = loadUInt16(field.start + 8)
                cachedMidnight = instant.milliseconds &- (day < 0 ? day &+ 86_400_000 : day)
            }
        }
        return instant
    }

    // MARK: Errors

    @inline(never)
    func damaged(_ problem: String) -> IcecoreError {
        IcecoreError(
            .invalidData,
            "list file '\(Display.escaped(name))', line \(rowsParsed &+ 1): \(problem); \(InventoryAdvice.otherDate)")
    }

    private func tooLong() -> IcecoreError {
        damaged("the row is longer than \(CSVRowParser.longestRow >> 20) MiB")
    }

    private func isUnsorted(_ key: ByteSlice, after last: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let start = last.baseAddress else { return false }
        return key.precedes(ByteSlice(start: start, count: last.count))
    }

    @inline(never)
    private func unsorted() -> UnsortedInventory {
        UnsortedInventory(file: name, line: rowsParsed &+ 1)
    }
}
