import Basics
import Glibc

/// A field of a row: where its content lies, without the quotation marks around it.
struct Field {
    var start: UnsafePointer<UInt8>
    var count: Int

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }
}

/// Makes rows of the bytes of one list file.
///
/// The usual row (every field in quotation marks, none inside, `\n` at the end) is scanned eight bytes at a time; any
/// other row is read again from its start by the rules of RFC 4180.
final class RowParser {
    /// The most bytes of a row; an unbalanced quotation mark must not fill memory with the rest of the file.
    static let longestRow = 1 << 20
    /// S3's own limit. It also bounds how deep directories can be.
    static let longestKey = 1024
    static let longestETag = 255
    /// S3's own limit.
    static let longestVersionId = 1024

    let name: String
    let file: UInt32
    /// Whether a row below the one before it is an ``UnsortedInventory``.
    private let mustBeSorted: Bool
    private let bucket: [UInt8]
    /// The line of an error is one more: lines are counted as rows, though a quoted field may hold an end of line.
    private(set) var rowsParsed: UInt32 = 0

    // One slot for each column that is known, and a last one for all that are not.
    let slots: UnsafeMutableBufferPointer<Int>
    let fields: UnsafeMutableBufferPointer<Field>
    private static let unknownSlot = Column.allCases.count
    private let present: [Bool]

    let empty = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
    /// Fields whose doubled quotation marks had to be halved.
    var scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: 4096)
    var scratchCapacity = 4096

    private var lastKey: [UInt8] = []
    // Most rows next to each other are of one day: its ten characters and its first millisecond.
    private var cachedDayHigh: UInt64 = 0
    private var cachedDayLow: UInt16 = 0
    private var cachedMidnight: Int64 = 0

    init(manifest: Manifest, file: Int, mustBeSorted: Bool) {
        name = manifest.files[file].key
        self.file = UInt32(truncatingIfNeeded: file)
        self.mustBeSorted = mustBeSorted
        bucket = Array(manifest.sourceBucket.utf8)
        slots = .allocate(capacity: manifest.columns.count)
        fields = .allocate(capacity: RowParser.unknownSlot + 1)
        empty.initialize(repeating: 0, count: 16)
        fields.initialize(repeating: Field(start: UnsafePointer(empty), count: 0))
        var present = [Bool](repeating: false, count: RowParser.unknownSlot + 1)
        for (place, column) in manifest.columns.enumerated() {
            let slot = column.map(\.slot) ?? RowParser.unknownSlot
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
    ///   - bytes: ``Block/padding`` bytes of memory behind them must be writable: a sentinel goes there.
    ///   - isLast: nothing follows, so that the last row may lack its line's end.
    ///   - limit: the most rows to parse.
    /// - Returns: how many of the bytes the parsed rows took.
    func parse(
        _ bytes: UnsafeMutableRawBufferPointer, isLast: Bool, limit: Int = .max, into batch: RowBatch
    ) throws -> Int {
        guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), !bytes.isEmpty else { return 0 }
        let start = UnsafePointer(base)
        let end = start + bytes.count
        (base + bytes.count).update(repeating: UInt8(ascii: "\""), count: 16)

        // A row's decoded bytes are no more than its own, but for the four of `null`; none is shorter than ten bytes.
        batch.reserve(bytes.count * 2 + 64)
        var rows = ContiguousArray<InventoryRow>()
        swap(&rows, &batch.rows)
        var output = batch.used
        let target = batch.bytes.assumingMemoryBound(to: UInt8.self)
        defer {
            swap(&rows, &batch.rows)
            batch.used = output
        }
        var previousKey = rows.last.map { Field(start: target + Int($0.keyOffset), count: Int($0.keyLength)) }

        var position = start
        let first = rows.count
        while position < end, rows.count - first < limit {
            var next = scanUsualRow(position, end)
            if next == nil { next = try readAnyRow(position, end, isLast: isLast) }
            guard let next else {
                if end - position > RowParser.longestRow { throw tooLong() }
                break
            }
            if next - position > RowParser.longestRow { throw tooLong() }
            var row = InventoryRow(
                keyOffset: 0, keyLength: 0, versionOffset: 0, versionLength: 0, etagOffset: 0, etagLength: 0,
                etagHigh: 0, etagLow: 0, etagParts: 0, flags: [], size: 0, lastModified: Timestamp(milliseconds: 0),
                file: file, line: rowsParsed &+ 1)
            let keyStart = output
            try decode(&row, target, &output)
            if mustBeSorted {
                let key = Field(start: target + keyStart, count: Int(row.keyLength))
                if let previousKey {
                    if isLess(key, previousKey) { throw unsorted() }
                } else if !lastKey.isEmpty, lastKey.withUnsafeBufferPointer({ isLess(key, $0) }) {
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

    /// Finds the fields of a row of the usual form; nil where it is of another form, or not complete.
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
            // The sentinel behind the end keeps these reads inside the memory.
            guard position < end, position.pointee == quote else { return nil }
            let content = position + 1
            let close = quotationMark(from: content)
            guard close < end else { return nil }
            fields[slots[place]] = Field(start: content, count: close - content)
            place &+= 1
            position = close + 2
            if place == count { break }
            guard close[1] == UInt8(ascii: ",") else { return nil }
        }
        guard position <= end, position[-1] == UInt8(ascii: "\n") else { return nil }
        return position
    }

    /// Fills the row from its fields; the bytes of key, version id and ETag go to `target` in this order.
    @inline(__always)
    private func decode(
        _ row: inout InventoryRow, _ target: UnsafeMutablePointer<UInt8>, _ output: inout Int
    ) throws(IcecoreError) {
        guard let fields = fields.baseAddress else { return }
        let bucketField = fields[Column.bucket.slot]
        guard bucketField.count == bucket.count,
            bucket.withUnsafeBufferPointer({ memcmp($0.baseAddress ?? bucketField.start, bucketField.start, $0.count) })
                == 0
        else { throw damaged(.bucket, bucketField, "is not the manifest's sourceBucket") }

        row.keyOffset = UInt32(truncatingIfNeeded: output)
        let keyLength = try decodeKey(fields[Column.key.slot], to: target + output)
        row.keyLength = UInt32(truncatingIfNeeded: keyLength)
        output &+= keyLength

        row.versionOffset = UInt32(truncatingIfNeeded: output)
        if present[Column.versionId.slot] {
            let version = fields[Column.versionId.slot]
            if version.count == 0 {
                UnsafeMutableRawPointer(target + output).storeBytes(of: nullVersion, as: UInt32.self)
                row.versionLength = 4
                output &+= 4
            } else {
                guard version.count <= RowParser.longestVersionId else {
                    throw damaged("the VersionId is longer than \(RowParser.longestVersionId) bytes, as none can be")
                }
                guard copyText(version, to: target + output) else {
                    throw damaged(.versionId, version, "is not UTF-8")
                }
                row.versionLength = UInt32(truncatingIfNeeded: version.count)
                output &+= version.count
            }
        } else {
            row.flags.insert(.unknownVersion)
        }

        if present[Column.isLatest.slot] {
            if try decodeBoolean(.isLatest, fields[Column.isLatest.slot]) { row.flags.insert(.latest) }
        } else {
            row.flags.insert(.latest)
        }
        row.lastModified = try decodeDate(fields[Column.lastModified.slot])
        row.etagOffset = UInt32(truncatingIfNeeded: output)
        if present[Column.isDeleteMarker.slot],
            try decodeBoolean(.isDeleteMarker, fields[Column.isDeleteMarker.slot])
        {
            row.flags.insert(.marker)
            return
        }
        row.size = try decodeSize(fields[Column.size.slot])
        try decodeETag(fields[Column.etag.slot], &row, target, &output)
        decodeStorage(fields, &row)
    }

    // MARK: Fields

    private let nullVersion = UInt32(littleEndian: 0x6C6C_756E)

    @inline(__always)
    private func decodeBoolean(_ column: Column, _ field: Field) throws(IcecoreError) -> Bool {
        if field.count == 4, loadUInt32(field.start) | 0x2020_2020 == 0x6575_7274 { return true }
        if field.count == 5, loadUInt32(field.start) | 0x2020_2020 == 0x736C_6166, field.start[4] | 0x20 == 0x65 {
            return false
        }
        throw damaged(column, field, "is neither true nor false")
    }

    @inline(__always)
    private func decodeSize(_ field: Field) throws(IcecoreError) -> Int64 {
        guard field.count > 0 else { throw damaged(.size, field, "is empty, but the row is no delete marker") }
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
    private func decodeDate(_ field: Field) throws(IcecoreError) -> Timestamp {
        let text = field.start
        // 2022-04-09T21:52:14.000Z on the day of the row before.
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
    private func decodeUnusualDate(_ field: Field) throws(IcecoreError) -> Timestamp {
        guard let instant = Timestamp(rfc3339: field.bytes) else {
            throw damaged(.lastModified, field, "is not a date and time as in 2022-04-09T21:52:14.000Z")
        }
        if field.count == 24, field.start[23] == UInt8(ascii: "Z"), field.start[10] == UInt8(ascii: "T") {
            let day = instant.milliseconds % 86_400_000
            // A leap second counts to the next day.
            if loadUInt16(field.start + 17) != 0x3036 {
                cachedDayHigh = loadUInt64(field.start)
                cachedDayLow = loadUInt16(field.start + 8)
                cachedMidnight = instant.milliseconds &- (day < 0 ? day &+ 86_400_000 : day)
            }
        }
        return instant
    }

    @inline(__always)
    private func decodeStorage(_ fields: UnsafeMutablePointer<Field>, _ row: inout InventoryRow) {
        let storage = fields[Column.storageClass.slot]
        // STANDARD, and nothing else that begins with it needs a restore either.
        if storage.count > 0, storage.start.pointee != UInt8(ascii: "S") {
            if storage.is("GLACIER") || storage.is("DEEP_ARCHIVE") { row.flags.insert(.archived) }
            if storage.is("INTELLIGENT_TIERING") {
                let tier = fields[Column.accessTier.slot]
                if tier.is("ARCHIVE") || tier.is("DEEP_ARCHIVE") { row.flags.insert(.archived) }
            }
        }
        let encryption = fields[Column.encryptionStatus.slot]
        // NOT-SSE and SSE-S3 leave the ETag an MD5.
        if encryption.count > 4,
            encryption.is("SSE-KMS") || encryption.is("DSSE-KMS") || encryption.is("SSE-C")
        {
            row.flags.insert(.opaque)
        }
    }

    // MARK: Errors

    func damaged(_ column: Column, _ field: Field, _ problem: String) -> IcecoreError {
        damaged("\(column.rawValue) '\(Display.text(field.bytes))' \(problem)")
    }

    @inline(never)
    func damaged(_ problem: String) -> IcecoreError {
        IcecoreError(
            .invalidData,
            "list file '\(Display.text(name))', line \(rowsParsed &+ 1): \(problem); \(Manifest.advice)")
    }

    private func tooLong() -> IcecoreError {
        damaged("the row is longer than \(RowParser.longestRow >> 20) MiB, which is not plausible")
    }

    @inline(never)
    private func unsorted() -> UnsortedInventory {
        UnsortedInventory(file: name, line: rowsParsed &+ 1)
    }
}

extension Column {
    /// A small number of its own.
    @inline(__always)
    var slot: Int {
        switch self {
        case .bucket: 0
        case .key: 1
        case .versionId: 2
        case .isLatest: 3
        case .isDeleteMarker: 4
        case .size: 5
        case .lastModified: 6
        case .etag: 7
        case .storageClass: 8
        case .isMultipartUploaded: 9
        case .encryptionStatus: 10
        case .accessTier: 11
        }
    }
}

extension Field {
    @inline(__always)
    func `is`(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && memcmp(start, text.utf8Start, count) == 0
    }
}

// MARK: Scanning

@inline(__always)
func loadUInt64(_ pointer: UnsafePointer<UInt8>) -> UInt64 {
    UInt64(littleEndian: UnsafeRawPointer(pointer).loadUnaligned(as: UInt64.self))
}

@inline(__always)
func loadUInt32(_ pointer: UnsafePointer<UInt8>) -> UInt32 {
    UInt32(littleEndian: UnsafeRawPointer(pointer).loadUnaligned(as: UInt32.self))
}

@inline(__always)
func loadUInt16(_ pointer: UnsafePointer<UInt8>) -> UInt16 {
    UInt16(littleEndian: UnsafeRawPointer(pointer).loadUnaligned(as: UInt16.self))
}

/// The high bit of the lowest byte of `word` that is zero, and maybe of higher ones; 0 where none is zero.
@inline(__always)
func zeroBytes(_ word: UInt64) -> UInt64 {
    (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
}

/// The next quotation mark; there must be one, if only the sentinel.
@inline(__always)
private func quotationMark(from start: UnsafePointer<UInt8>) -> UnsafePointer<UInt8> {
    var position = start
    while true {
        let found = zeroBytes(loadUInt64(position) ^ 0x2222_2222_2222_2222)
        if found != 0 { return position + found.trailingZeroBitCount / 8 }
        position += 8
    }
}

/// Whether `left` comes before `right`, byte by byte.
@inline(__always)
func isLess(_ left: Field, _ right: Field) -> Bool {
    let order = memcmp(left.start, right.start, min(left.count, right.count))
    return order != 0 ? order < 0 : left.count < right.count
}

@inline(__always)
func isLess(_ left: Field, _ right: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let start = right.baseAddress else { return false }
    return isLess(left, Field(start: start, count: right.count))
}
