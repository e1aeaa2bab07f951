import Basics
import Glibc

/// The bytes of a columnar file, which several threads may read at once.
final class ColumnarSource: @unchecked Sendable {
    // Nothing in it changes: pread(2) has no position.
    private let file: File?
    private let bytes: [UInt8]
    let size: Int64

    /// - Throws: `IcecoreError` if the file cannot be opened.
    init(path: String) throws {
        let file = try File.regular(path)
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else {
            throw IcecoreError.system("cannot read", path, errno: errno)
        }
        size = Int64(status.st_size)
        bytes = []
        self.file = consume file
    }

    /// A file that is in memory.
    init(bytes: [UInt8]) {
        self.bytes = bytes
        size = Int64(bytes.count)
        file = nil
    }

    /// Fills the buffer with the bytes from `offset`.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws {
        guard offset >= 0, offset <= size, Int64(buffer.count) <= size - offset else {
            throw ColumnarProblem("is shorter than its footers say")
        }
        if file != nil {
            try file?.read(into: buffer, at: offset)
        } else {
            bytes.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)...].prefix(buffer.count)))
            }
        }
    }
}
