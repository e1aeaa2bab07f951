/// A piece of a decompressed file, with room before it for the rest of the previous piece, and after it for a sentinel.
final class TextBlock {
    static let capacity = 256 << 10
    static let headroom = 16 << 10
    static let padding = 64
    let bytes = UnsafeMutableRawPointer.allocate(
        byteCount: TextBlock.headroom + TextBlock.capacity + TextBlock.padding, alignment: 16)
    var count = 0

    deinit { bytes.deallocate() }
}
