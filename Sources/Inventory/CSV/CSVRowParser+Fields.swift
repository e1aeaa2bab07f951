import Basics
import Glibc

/// The two fields that are decoded to bytes: key and ETag.
extension CSVRowParser {
    /// Decodes a key, in which `%XX` stands for a byte and `+` for a space.
    ///
    /// - Returns: the length of the key; `target` must have room for the length of the field and 8 bytes more.
    @inline(__always)
    func decodeKey(_ field: ByteSlice, to target: UnsafeMutablePointer<UInt8>) throws(IcecoreError) -> Int {
        let count = field.count
        guard count > 0 else { throw damaged("the key is empty") }
        // Most keys need no decoding: they are copied and checked in one go.
        var unusual: UInt64 = 0
        var offset = 0
        while offset < count {
            let word = loadUInt64(field.start + offset)
            UnsafeMutableRawPointer(target + offset).storeBytes(of: word.littleEndian, as: UInt64.self)
            var found =
                zeroBytes(word ^ 0x2525_2525_2525_2525) | zeroBytes(word ^ 0x2B2B_2B2B_2B2B_2B2B)
                | (word & 0x8080_8080_8080_8080)
            // The bytes after the field in the last word do not count.
            if count &- offset < 8 { found &= (1 << UInt64(8 &* (count &- offset))) &- 1 }
            unusual |= found
            offset &+= 8
        }
        if unusual == 0, count <= CSVRowParser.longestKey { return count }
        return try decodeUnusualKey(field, to: target)
    }

    @inline(never)
    private func decodeUnusualKey(
        _ field: ByteSlice, to target: UnsafeMutablePointer<UInt8>
    ) throws(IcecoreError) -> Int {
        var output = 0
        var input = 0
        while input < field.count {
            let byte = field.start[input]
            switch byte {
            case UInt8(ascii: "%"):
                guard input + 2 < field.count, let high = Hex.value(field.start[input + 1]),
                    let low = Hex.value(field.start[input + 2])
                else { throw damaged(.key, field, "has a '%' without two hexadecimal digits after it") }
                target[output] = high << 4 | low
                input += 3
            case UInt8(ascii: "+"):
                target[output] = UInt8(ascii: " ")
                input += 1
            default:
                target[output] = byte
                input += 1
            }
            output += 1
        }
        guard output <= CSVRowParser.longestKey else {
            throw damaged("the key is longer than \(CSVRowParser.longestKey) bytes")
        }
        guard isUTF8(UnsafeBufferPointer(start: target, count: output)) else {
            throw damaged(.key, field, "is not UTF-8 after decoding")
        }
        return output
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
        guard field.count <= CSVRowParser.longestETag else {
            throw damaged("the ETag is longer than \(CSVRowParser.longestETag) bytes")
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
