// Eight bytes at a time, as little-endian words.

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

/// The high bit of the lowest byte of `word` that is zero, and maybe of higher ones; 0 if no byte is zero.
@inline(__always)
func zeroBytes(_ word: UInt64) -> UInt64 {
    (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
}

/// The next quotation mark; there must be one, if only the sentinel.
@inline(__always)
func quotationMark(from start: UnsafePointer<UInt8>) -> UnsafePointer<UInt8> {
    var position = start
    while true {
        let found = zeroBytes(loadUInt64(position) ^ 0x2222_2222_2222_2222)
        if found != 0 { return position + found.trailingZeroBitCount / 8 }
        position += 8
    }
}
