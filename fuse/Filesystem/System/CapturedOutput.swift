import Glibc

/// What libfuse and fusermount3 print to the standard error while they mount: the reason, where they fail.
final class CapturedOutput {
    private var kept: Int32
    private let captured: Int32

    init() throws {
        let ends = try makePipe()
        captured = ends.read
        kept = dup(STDERR_FILENO)
        dup2(ends.write, STDERR_FILENO)
        close(ends.write)
        // Whoever prints must not wait for a reader, nor the reader for more.
        _ = fcntl(captured, F_SETFL, O_NONBLOCK)
    }

    deinit { _ = end() }

    /// Gives the standard error back; what was printed, in one line.
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
