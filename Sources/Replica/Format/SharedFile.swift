import Basics

/// A file that several threads read at once, each at its own offset.
final class SharedFile: @unchecked Sendable {
    // pread(2) leaves the descriptor's position alone.
    let file: File

    init(_ file: consuming File) {
        self.file = file
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws {
        try file.read(into: buffer, at: offset)
    }
}
