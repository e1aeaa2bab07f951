/// The block that a thread has read and checked last.
final class BlockMemory {
    /// Nil: none.
    private(set) var number: Int64?
    private(set) var bytes: [UInt8] = []

    /// Replaces it.
    ///
    /// - Parameter read: fills the buffer, and checks what is in it.
    func load(_ number: Int64, _ length: Int, _ read: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        self.number = nil
        if bytes.count < length { bytes = [UInt8](repeating: 0, count: length) }
        try bytes.withUnsafeMutableBytes { try read(UnsafeMutableRawBufferPointer(rebasing: $0[..<length])) }
        self.number = number
    }
}
