import Glibc

/// Bytes in memory that something else keeps alive: the content of a field, or a key.
struct ByteSlice {
    var start: UnsafePointer<UInt8>
    var count: Int

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

    @inline(__always)
    func `is`(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && memcmp(start, text.utf8Start, count) == 0
    }

    /// Whether these bytes sort before the other ones.
    @inline(__always)
    func precedes(_ other: ByteSlice) -> Bool {
        let order = memcmp(start, other.start, min(count, other.count))
        return order != 0 ? order < 0 : count < other.count
    }
}
