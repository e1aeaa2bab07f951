import Model

/// The contents that a sync has found in the store, as a set of one fixed size: now and then it takes a content for one of
/// them that is not.
package final class ArrivedContents {
    private var bits: [UInt64] = []
    /// Two megabytes: one content in sixteen is mistaken once a million have come.
    private static let bitCount = 1 << 24

    package var isEmpty: Bool { bits.isEmpty }

    private static func bit(_ etag: ETag, _ size: Int64) -> Int {
        var hash = UInt64(bitPattern: size) &* 0x9e37_79b9_7f4a_7c15
        for byte in etag.bytesOfRow { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return Int(truncatingIfNeeded: hash >> 24) & (bitCount - 1)
    }

    package func add(_ etag: ETag, _ size: Int64) {
        if bits.isEmpty { bits = [UInt64](repeating: 0, count: Self.bitCount / 64) }
        let bit = Self.bit(etag, size)
        bits[bit / 64] |= 1 << UInt64(bit % 64)
    }

    /// Whether the content may have come.
    package func mayHave(_ etag: ETag, _ size: Int64) -> Bool {
        guard !bits.isEmpty else { return false }
        let bit = Self.bit(etag, size)
        return bits[bit / 64] & (1 << UInt64(bit % 64)) != 0
    }
}
