import Basics

/// Writes a file from a place on, and makes the SHA-256 of everything.
final class HashedOutput {
    private static let capacity = 1 << 20
    private let file: File
    private var digester = SHA256()
    /// Of a section that has begun.
    private var section = SHA256()
    private var isInSection = false
    private var buffer: [UInt8] = []
    /// What is in the file already.
    private var written: Int64 = 0

    init(_ file: consuming File) {
        self.file = file
        buffer.reserveCapacity(HashedOutput.capacity)
    }

    /// Where the next byte goes.
    var position: Int64 { written + Int64(buffer.count) }
    var descriptor: Int32 { file.descriptor }
    var path: String { file.path }

    /// Takes the first bytes of the file for written.
    func adopt(_ source: PackSource, upTo end: Int64) throws {
        let window = PackWindow(source, limit: end)
        while written < end {
            let piece = try window.piece(at: written, upTo: end)
            digester.update(piece)
            written += Int64(piece.count)
        }
    }

    /// From here on a second digest is made.
    func beginSection() {
        isInSection = true
    }

    /// The SHA-256 of what was appended since the section began.
    func endSection() -> [UInt8] {
        isInSection = false
        var finished = SHA256()
        swap(&section, &finished)
        return finished.finalize()
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        if isInSection { section.update(bytes) }
        if buffer.count + bytes.count > HashedOutput.capacity { try flush() }
        if bytes.count > HashedOutput.capacity / 2 {
            try flush()
            try write(bytes)
        } else {
            buffer.append(contentsOf: bytes)
        }
    }

    func append(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try append($0) }
    }

    /// Writes what is in memory.
    func flush() throws {
        guard !buffer.isEmpty else { return }
        try buffer.withUnsafeBytes { try write($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws {
        try file.write(bytes, at: written)
        digester.update(bytes)
        file.beginWriting(written..<written + Int64(bytes.count))
        written += Int64(bytes.count)
    }

    /// Writes everything and makes it durable.
    func synchronize() throws {
        try flush()
        try file.synchronize()
    }

    /// The SHA-256 of everything that was written; nothing can be written afterwards.
    func finish() throws -> [UInt8] {
        try synchronize()
        var finished = SHA256()
        swap(&digester, &finished)
        return finished.finalize()
    }
}
