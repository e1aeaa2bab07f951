/// A stretch of a page's bytes.
public struct TextSpan: Sendable {
    public internal(set) var start: UInt32
    public internal(set) var count: UInt32

    static let empty = TextSpan(start: 0, count: 0)

    public var isEmpty: Bool { count == 0 }

    /// Its bytes, among those of its page.
    @inline(__always)
    public func bytes(in page: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        // A span that is not the page's has no bytes.
        guard let base = page.baseAddress, Int(start) + Int(count) <= page.count else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(start: base + Int(start), count: Int(count))
    }
}
