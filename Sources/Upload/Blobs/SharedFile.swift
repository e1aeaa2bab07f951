import Basics

/// A file that several threads read at once, each at its own offset.
package final class SharedFile: @unchecked Sendable {
    // pread(2) leaves the descriptor's position alone.
    package let file: File

    package init(_ file: consuming File) {
        self.file = file
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws {
        try file.read(into: buffer, at: offset)
    }
}
