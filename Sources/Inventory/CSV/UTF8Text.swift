/// Copies a field unchanged, in words, so that up to 7 bytes after it are written too. Returns whether it is UTF-8.
@inline(__always)
func copyText(_ field: ByteSlice, to target: UnsafeMutablePointer<UInt8>) -> Bool {
    var bits: UInt64 = 0
    var offset = 0
    while offset < field.count {
        let word = loadUInt64(field.start + offset)
        UnsafeMutableRawPointer(target + offset).storeBytes(of: word.littleEndian, as: UInt64.self)
        bits |= word
        offset &+= 8
    }
    // The bytes after the field in the last word can only cause a needless second look.
    return bits & 0x8080_8080_8080_8080 == 0 || isUTF8(UnsafeBufferPointer(start: field.start, count: field.count))
}

/// Whether the bytes are UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
///
/// `String(validating:as:)` says the same, but makes a string: 133 instead of 41 ns for a key of 60 ASCII bytes, 150
/// instead of 48 ns for one with umlauts. It wins only for keys of several hundred bytes.
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
