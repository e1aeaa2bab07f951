/// A piece of a compressed file. Reused.
final class CompressedChunk {
    static let capacity = 128 << 10
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: CompressedChunk.capacity, alignment: 16)
    var count = 0
    /// How many of the bytes have been inflated.
    var position = 0

    deinit { bytes.deallocate() }
}
