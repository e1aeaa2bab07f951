import Basics
import Glibc

/// Where results and remarks go: results to stdout, everything else to stderr.
enum Console {
    /// Whether a descriptor is a terminal.
    static func isTerminal(_ descriptor: Int32) -> Bool {
        isatty(descriptor) == 1
    }

    /// Sees to it that no file of a store gets the number of a standard descriptor that the caller has closed: what is
    /// printed would go into it. Writing to such an output fails, as it would have.
    static func holdStandardDescriptors() {
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number is this one.
            _ = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
        }
    }

    /// Refuses arguments that are not UTF-8: decoded, they would name something else.
    static func checkArguments() throws(IcecoreError) {
        for place in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[place] else { continue }
            if String(validatingCString: argument) == nil {
                throw IcecoreError(
                    .usage, "argument \(place), '\(String(cString: argument))', is not UTF-8, as keys and paths must be"
                )
            }
        }
    }

    /// Refuses to begin where there can be too few open files: what the language's own library needs it takes without
    /// asking, and without it the program would end in a trap.
    static func checkLimitOfOpenFiles() throws(IcecoreError) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_max < 32 else { return }
        throw IcecoreError(
            .system, "only \(limit.rlim_max) files may be open at once: raise the limit (ulimit -n) to 64 or more")
    }

    /// A remark for the person at the terminal.
    static func note(_ text: String) {
        write(2, "\(text)\n")
    }

    /// What went wrong.
    static func error(_ text: String) {
        write(2, "icecore: \(text)\n")
    }

    /// How many columns a line on the terminal may take.
    static var width: Int {
        var size = winsize()
        // The last column stays free: some terminals begin a new line there.
        return ioctl(2, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 10 ? Int(size.ws_col) - 1 : 79
    }

    /// Draws one line over the one before, cut to the terminal's width.
    static func draw(_ text: String) {
        // What is left of the line before goes last: a line that is emptied first flickers.
        write(2, "\r\(text.prefix(width))\u{1b}[K")
    }

    private static func write(_ descriptor: Int32, _ text: String) {
        var text = text
        text.withUTF8 { bytes in _ = Glibc.write(descriptor, bytes.baseAddress, bytes.count) }
    }

    /// The value of every environment variable.
    static var environment: [String: String] {
        var result: [String: String] = [:]
        var entry = environ
        while let variable = entry.pointee {
            let text = String(cString: variable)
            if let equals = text.firstIndex(of: "=") {
                result[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            entry += 1
        }
        return result
    }
}

/// Standard output, in large pieces.
final class Output {
    private var buffer: [UInt8] = []
    private static let limit = 1 << 16
    /// Control characters in names must not reach a terminal.
    let isTerminal = Console.isTerminal(1)

    init() {
        buffer.reserveCapacity(Output.limit + 4096)
    }

    /// Adds bytes; they are written by ``flush()`` at the latest.
    func write(_ bytes: some Sequence<UInt8>) throws {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Output.limit { try flush() }
    }

    /// Adds a line of text for people.
    func line(_ text: String) throws {
        try write((text + "\n").utf8)
    }

    /// Adds a name from outside as people may see it: on a terminal, control characters as `?`.
    func name(_ bytes: [UInt8]) throws {
        try write(isTerminal ? Display.name(bytes) : bytes)
    }

    /// Writes what was added.
    func flush() throws {
        try buffer.withUnsafeBytes(Output.pass)
        buffer.removeAll(keepingCapacity: true)
    }

    /// Writes bytes at once. A reader that went away ends the program quietly, as it ends `ls`.
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
