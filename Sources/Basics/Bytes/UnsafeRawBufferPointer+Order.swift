import Glibc

/// Comparisons of byte strings without copying.
extension UnsafeRawBufferPointer {
    @inline(__always)
    public func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let left = baseAddress, let right = other.baseAddress else { return true }
        return memcmp(left, right, count) == 0
    }

    /// Whether this sorts before `other`, byte by byte.
    @inline(__always)
    public func precedes(_ other: UnsafeRawBufferPointer) -> Bool {
        let common = Swift.min(count, other.count)
        if common > 0, let left = baseAddress, let right = other.baseAddress {
            let order = memcmp(left, right, common)
            if order != 0 { return order < 0 }
        }
        return count < other.count
    }

    @inline(__always)
    public func hasPrefix(_ prefix: [UInt8]) -> Bool {
        guard count >= prefix.count else { return false }
        guard let start = baseAddress, !prefix.isEmpty else { return prefix.isEmpty }
        return prefix.withUnsafeBytes { bytes in
            bytes.baseAddress.map { memcmp(start, $0, prefix.count) == 0 } ?? true
        }
    }
}
