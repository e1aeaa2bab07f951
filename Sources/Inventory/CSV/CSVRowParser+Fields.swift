import Basics
import Glibc

/// The fields whose bytes are kept: key and ETag.
extension RowParser {
    /// Decodes a key, in which `%XX` stands for a byte and `+` for a space.
    ///
    /// - Returns: how many bytes the key has; at `target` there must be room for as many as the field has, and 8 more.
    @inline(__always)
    func decodeKey(_ field: Field, to target: UnsafeMutablePointer<UInt8>) throws(IcecoreError) -> Int {
        let count = field.count
        guard count > 0 else { throw damaged("the key is empty") }
        // Most keys hold nothing but themselves: copied while looked at.
        var unusual: UInt64 = 0
        var offset = 0
        while offset < count {
            let word = loadUInt64(field.start + offset)
            UnsafeMutableRawPointer(target + offset).storeBytes(of: word.littleEndian, as: UInt64.self)
            var found =
                zeroBytes(word ^ 0x2525_2525_2525_2525) | zeroBytes(word ^ 0x2B2B_2B2B_2B2B_2B2B)
                | (word & 0x8080_8080_8080_8080)
            // What follows the field in the last word does not count.
            if count &- offset < 8 { found &= (1 << UInt64(8 &* (count &- offset))) &- 1 }
            unusual |= found
            offset &+= 8
        }
        if unusual == 0, count <= RowParser.longestKey { return count }
        return try decodeUnusualKey(field, to: target)
    }

    @inline(never)
    private func decodeUnusualKey(
        _ field: Field, to target: UnsafeMutablePointer<UInt8>
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
        guard output <= RowParser.longestKey else {
            throw damaged("the key is longer than \(RowParser.longestKey) bytes, which is not plausible")
        }
        guard isUTF8(UnsafeBufferPointer(start: target, count: output)) else {
            throw damaged(.key, field, "is not UTF-8 after decoding")
        }
        return output
    }

    /// Decodes an ETag: an MD5, an MD5 with a number of parts, or anything else, which is kept verbatim.
    @inline(__always)
    func decodeETag(
        _ field: Field, _ row: inout InventoryRow, _ target: UnsafeMutablePointer<UInt8>, _ output: inout Int
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
        _ field: Field, _ row: inout InventoryRow, _ target: UnsafeMutablePointer<UInt8>, _ output: inout Int
    ) throws(IcecoreError) {
        let quote = UInt8(ascii: "\"")
        if field.count >= 2, field.start[0] == quote, field.start[field.count - 1] == quote {
            let inner = Field(start: field.start + 1, count: field.count - 2)
            // Only one pair is the header's syntax; what is inside is the ETag, whatever it is.
            if inner.count < 2 || inner.start[0] != quote {
                try decodeETag(inner, &row, target, &output)
                return
            }
        }
        guard field.count > 0 else { throw damaged("the ETag is empty, but the row is no delete marker") }
        guard field.count <= RowParser.longestETag else {
            throw damaged("the ETag is longer than \(RowParser.longestETag) bytes, which is not plausible")
        }
        guard copyText(field, to: target + output) else { throw damaged(.etag, field, "is not UTF-8") }
        row.etagLength = UInt32(truncatingIfNeeded: field.count)
        row.flags.insert(.verbatimETag)
        output += field.count
    }

    /// N of a field `<32 digits>-N`: 1 to 10 digits, no leading zero, below 2³².
    private func partCount(_ field: Field) -> UInt32? {
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

/// Copies a field as it stands, in words, so that up to 7 bytes behind it are written too; whether it is UTF-8.
@inline(__always)
func copyText(_ field: Field, to target: UnsafeMutablePointer<UInt8>) -> Bool {
    var bits: UInt64 = 0
    var offset = 0
    while offset < field.count {
        let word = loadUInt64(field.start + offset)
        UnsafeMutableRawPointer(target + offset).storeBytes(of: word.littleEndian, as: UInt64.self)
        bits |= word
        offset &+= 8
    }
    // What follows the field in the last word can only make this look twice.
    return bits & 0x8080_8080_8080_8080 == 0 || isUTF8(UnsafeBufferPointer(start: field.start, count: field.count))
}

/// The value of 16 lower-case hexadecimal digits; nil where one of them is none.
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

/// Whether the bytes are UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
func isUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var index = 0
    while index < bytes.count {
        let byte = bytes[index]
        let lowest: UInt8, highest: UInt8, more: Int
        switch byte {
        case 0x00...0x7F:
            index += 1
            continue
        case 0xC2...0xDF: (lowest, highest, more) = (0x80, 0xBF, 1)
        case 0xE0: (lowest, highest, more) = (0xA0, 0xBF, 2)
        case 0xED: (lowest, highest, more) = (0x80, 0x9F, 2)
        case 0xE1...0xEF: (lowest, highest, more) = (0x80, 0xBF, 2)
        case 0xF0: (lowest, highest, more) = (0x90, 0xBF, 3)
        case 0xF4: (lowest, highest, more) = (0x80, 0x8F, 3)
        case 0xF1...0xF3: (lowest, highest, more) = (0x80, 0xBF, 3)
        default: return false
        }
        guard index + more < bytes.count, (lowest...highest).contains(bytes[index + 1]) else { return false }
        for offset in 1..<more {
            guard bytes[index + offset + 1] & 0xC0 == 0x80 else { return false }
        }
        index += more + 1
    }
    return true
}
