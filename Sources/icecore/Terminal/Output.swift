import Basics
import Glibc

/// Standard output, written in large pieces.
final class Output {
    private var buffer: [UInt8] = []
    private static let limit = 1 << 16
    /// Control characters in names must not reach a terminal.
    let isTerminal = Console.isTerminal(1)

    init() {
        buffer.reserveCapacity(Output.limit + 4096)
    }

    /// Adds bytes, which are written by the next ``flush()`` at the latest.
    func write(_ bytes: some Sequence<UInt8>) throws {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Output.limit { try flush() }
    }

    /// Adds a line of text for people.
    func line(_ text: String) throws {
        try write((text + "\n").utf8)
    }

    /// Adds a name from outside; on a terminal, control characters become `?`.
    func name(_ bytes: [UInt8]) throws {
        try write(isTerminal ? Display.name(bytes) : bytes)
    }

    /// Writes what was added.
    func flush() throws {
        try buffer.withUnsafeBytes(Output.pass)
        buffer.removeAll(keepingCapacity: true)
    }

    /// Writes bytes at once. If the reader has closed the pipe, the program ends quietly, as `ls` does.
    static func pass(_ bytes: UnsafeRawBufferPointer) throws {
        var start = 0
        while start < bytes.count {
            let count = Glibc.write(1, bytes.baseAddress.map { $0 + start }, bytes.count - start)
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EPIPE { Glibc._exit(141) }
                throw IcecoreError.system("cannot write to", "standard output", errno: errno)
            }
            start += count
        }
    }
}
