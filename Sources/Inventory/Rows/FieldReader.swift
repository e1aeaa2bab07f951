import Basics
import Glibc

/// What fields may hold, whatever the format of the list file: the rules for those that every format has as text.
protocol FieldReader: AnyObject {
    /// The error for the row that is being read.
    func damaged(_ problem: String) -> IcecoreError
}

extension FieldReader {
    func damaged(_ column: InventoryColumn, _ field: ByteSlice, _ problem: String) -> IcecoreError {
        damaged("\(column.rawValue) '\(Display.escaped(field.bytes))' \(problem)")
    }

    /// Writes a version id to `target`; an empty one is that of the null version.
    @inline(__always)
    func decodeVersionId(
        _ field: ByteSlice, _ row: inout InventoryRow, _ target: UnsafeMutablePointer<UInt8>, _ output: inout Int
    ) throws(IcecoreError) {
        if field.count == 0 {
            UnsafeMutableRawPointer(target + output).storeBytes(of: nullVersion, as: UInt32.self)
            row.versionLength = 4
            output &+= 4
        } else {
            guard field.count <= InventoryRow.longestVersionId else {
                throw damaged("the VersionId is longer than \(InventoryRow.longestVersionId) bytes")
            }
            guard copyText(field, to: target + output) else { throw damaged(.versionId, field, "is not UTF-8") }
            row.versionLength = UInt32(truncatingIfNeeded: field.count)
            output &+= field.count
        }
    }

    /// What storage class, access tier and encryption say of an object.
    @inline(__always)
    func storageFlags(_ storage: ByteSlice, _ tier: ByteSlice, _ encryption: ByteSlice) -> InventoryRow.Flags {
        var flags: InventoryRow.Flags = []
        // No storage class that begins with S, such as STANDARD, needs a restore.
        if storage.count > 0, storage.start.pointee != UInt8(ascii: "S") {
            if storage.is("GLACIER") || storage.is("DEEP_ARCHIVE") { flags.insert(.archived) }
            if storage.is("INTELLIGENT_TIERING"), tier.is("ARCHIVE") || tier.is("DEEP_ARCHIVE") {
                flags.insert(.archived)
            }
        }
        // With NOT-SSE and SSE-S3 the ETag is an MD5.
        if encryption.count > 4,
            encryption.is("SSE-KMS") || encryption.is("DSSE-KMS") || encryption.is("SSE-C")
        {
            flags.insert(.opaque)
        }
        return flags
    }

    /// Decodes an ETag: an MD5, an MD5 with a number of parts, or any other text, which is kept verbatim.
    @inline(__always)
    func decodeETag(
        _ field: ByteSlice, _ row: inout InventoryRow, _ target: UnsafeMutablePointer<UInt8>, _ output: inout Int
    ) throws(IcecoreError) {
        if field.count >= 32, let high = hexadecimal(field.start), let low = hexadecimal(field.start + 16) {
            if field.count == 32 {
                row.etagHigh = high
                row.etagLow = low
                return
            }
            if let parts = partCount(field) {
                row.etagHigh = high
                row.etagLow = low
                row.etagParts = parts
                return
            }
        }
        try decodeUnusualETag(field, &row, target, &output)
    }

    @inline(never)
    private func decodeUnusualETag(
        _ field: ByteSlice, _ row: inout InventoryRow, _ target: UnsafeMutablePointer<UInt8>, _ output: inout Int
    ) throws(IcecoreError) {
        let quote = UInt8(ascii: "\"")
        if field.count >= 2, field.start[0] == quote, field.start[field.count - 1] == quote {
            let inner = ByteSlice(start: field.start + 1, count: field.count - 2)
            // Only one pair of quotation marks is syntax; anything inside is the ETag.
            if inner.count < 2 || inner.start[0] != quote {
                try decodeETag(inner, &row, target, &output)
                return
            }
        }
        guard field.count > 0 else { throw damaged("the ETag is empty, but the row is not a delete marker") }
        guard field.count <= InventoryRow.longestETag else {
            throw damaged("the ETag is longer than \(InventoryRow.longestETag) bytes")
        }
        guard copyText(field, to: target + output) else { throw damaged(.etag, field, "is not UTF-8") }
        row.etagLength = UInt32(truncatingIfNeeded: field.count)
        row.flags.insert(.verbatimETag)
        output += field.count
    }

    @inline(never)
    func noteUnknownETag(_ row: inout InventoryRow, _ target: UnsafeMutablePointer<UInt8>, _ output: inout Int) {
        let text = InventoryRow.unknownETag
        for (place, byte) in text.enumerated() { target[output &+ place] = byte }
        row.etagLength = UInt32(truncatingIfNeeded: text.count)
        row.flags.insert(.verbatimETag)
        output &+= text.count
    }

    /// N of a field `<32 digits>-N`: 1 to 10 digits, no leading zero, below 2³².
    private func partCount(_ field: ByteSlice) -> UInt32? {
        let digits = field.count - 33
        guard field.start[32] == UInt8(ascii: "-"), (1...10).contains(digits), field.start[33] != UInt8(ascii: "0")
        else { return nil }
        var value: UInt64 = 0
        for index in 33..<field.count {
            let digit = field.start[index] &- 48
            guard digit <= 9 else { return nil }
            value = value * 10 + UInt64(digit)
        }
        return UInt32(exactly: value)
    }
}

/// The bytes of `null`.
private let nullVersion = UInt32(littleEndian: 0x6C6C_756E)

/// The value of 16 lower-case hexadecimal digits; nil if one of them is not.
@inline(__always)
private func hexadecimal(_ digits: UnsafePointer<UInt8>) -> UInt64? {
    let first = loadUInt64(digits), second = loadUInt64(digits + 8)
    guard areHexadecimal(first) & areHexadecimal(second) == 0x8080_8080_8080_8080 else { return nil }
    return nibbles(first) << 32 | nibbles(second)
}

/// The high bit of each byte that is a lower-case hexadecimal digit.
@inline(__always)
private func areHexadecimal(_ word: UInt64) -> UInt64 {
    // Each sum stays inside its byte as long as no high bit is set.
    let low = word & 0x7F7F_7F7F_7F7F_7F7F
    let decimal = (low &+ 0x5050_5050_5050_5050) & ~(low &+ 0x4646_4646_4646_4646)
    let letter = (low &+ 0x1F1F_1F1F_1F1F_1F1F) & ~(low &+ 0x1919_1919_1919_1919)
    return (decimal | letter) & ~word & 0x8080_8080_8080_8080
}

/// Eight hexadecimal digits as a number of 32 bits.
@inline(__always)
private func nibbles(_ word: UInt64) -> UInt64 {
    var value = ((word & 0x0F0F_0F0F_0F0F_0F0F) &+ 9 &* ((word >> 6) & 0x0101_0101_0101_0101)).byteSwapped
    value = (value | value >> 4) & 0x00FF_00FF_00FF_00FF
    value = (value | value >> 8) & 0x0000_FFFF_0000_FFFF
    return (value | value >> 16) & 0xFFFF_FFFF
}
