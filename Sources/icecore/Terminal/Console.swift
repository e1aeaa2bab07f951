import Basics
import Glibc

/// The standard streams: results go to stdout, everything else to stderr.
enum Console {
    /// Whether a descriptor is a terminal.
    static func isTerminal(_ descriptor: Int32) -> Bool {
        isatty(descriptor) == 1
    }

    /// Occupies the standard descriptors that the caller has closed. Otherwise a file of the store could get one of
    /// them, and output would go into it. Writing to such a descriptor still fails.
    static func holdStandardDescriptors() {
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number is this one.
            _ = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
        }
    }

    /// Refuses arguments that are not UTF-8: once decoded, they would name something else.
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

    /// Refuses to start with too low a limit of open files: the Swift runtime traps when it cannot open those it needs.
    static func checkLimitOfOpenFiles() throws(IcecoreError) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_max < 32 else { return }
        throw IcecoreError(
            .system, "only \(limit.rlim_max) files may be open at once: raise the limit (ulimit -n) to 64 or more")
    }

    /// Prints a remark for the person at the terminal.
    static func note(_ text: String) {
        write(2, "\(text)\n")
    }

    /// Prints a remark while somebody else may have drawn a line, which is erased: the next one follows.
    static func noteAboveLine(_ text: String) {
        write(2, isTerminal(2) && environment["TERM"] != "dumb" ? "\r\u{1b}[K\(text)\n" : "\(text)\n")
    }

    /// Prints what went wrong.
    static func error(_ text: String) {
        write(2, "icecore: \(text)\n")
    }

    /// The number of columns that a line on the terminal may take.
    static var width: Int {
        var size = winsize()
        // The last column stays free: some terminals wrap there.
        return ioctl(2, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 10 ? Int(size.ws_col) - 1 : 79
    }

    /// Draws a line over the previous one, cut to the terminal's width.
    static func draw(_ text: String) {
        // The rest of the previous line is erased last: a line that is cleared first flickers.
        write(2, "\r\(text.prefix(width))\u{1b}[K")
    }

    private static func write(_ descriptor: Int32, _ text: String) {
        var text = text
        text.withUTF8 { bytes in _ = Glibc.write(descriptor, bytes.baseAddress, bytes.count) }
    }

    /// The environment variables, with the two that everything else relies on as they should be: HOME is there even if
    /// nobody set it, as for services of the system, and PWD is the directory in which the program was started, which a
    /// mount leaves.
    static var environment: [String: String] {
        var result: [String: String] = [:]
        var entry = environ
        while let variable = entry.pointee {
            let text = String(cString: variable)
            if let equals = text.utf8.firstIndex(of: UInt8(ascii: "=")) {
                result[String(text[..<equals])] = String(text[text.utf8.index(after: equals)...])
            }
            entry += 1
        }
        if result["HOME"]?.isEmpty != false { result["HOME"] = Files.home }
        result["PWD"] = Files.currentDirectory
        return result
    }
}
