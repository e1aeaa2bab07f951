import Basics
import Glibc

/// The field that is decoded in CSV only: the key.
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
        if unusual == 0, count <= InventoryRow.longestKey { return count }
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
        guard output <= InventoryRow.longestKey else {
            throw damaged("the key is longer than \(InventoryRow.longestKey) bytes")
        }
        guard isUTF8(UnsafeBufferPointer(start: target, count: output)) else {
            throw damaged(.key, field, "is not UTF-8 after decoding")
        }
        return output
    }
}
