import Glibc

/// What libfuse and fusermount3 print to the standard error while they mount: the reason, if they fail.
final class CapturedOutput {
    private var kept: Int32
    private let captured: Int32

    init() throws {
        let ends = try makePipe()
        captured = ends.read
        kept = dup(STDERR_FILENO)
        dup2(ends.write, STDERR_FILENO)
        close(ends.write)
        // Printing must not wait for a reader, nor reading for more output.
        _ = fcntl(captured, F_SETFL, O_NONBLOCK)
    }

    deinit { _ = end() }

    /// Restores the standard error; returns the first line that was printed.
    func end() -> String {
        guard kept >= 0 else { return "" }
        dup2(kept, STDERR_FILENO)
        close(kept)
        kept = -1
        var bytes = [UInt8](repeating: 0, count: 1000)
        let count = read(captured, &bytes, bytes.count)
        close(captured)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        return text.split(separator: "\n").first.map(String.init) ?? "no reason was given"
    }
}
