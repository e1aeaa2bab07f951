import Basics
import Glibc

/// A process that outlives the one that started it.
enum Daemon {
    /// Forks, and returns what the child reports once it is ready; or throws what the child threw.
    ///
    /// - Parameter body: runs in the child, calls its argument once with what to report, and returns when its work is
    ///   done. It opens everything it needs itself.
    static func start(_ body: (_ report: @escaping (String) -> Void) throws -> Void) throws -> String {
        let pipe = try makePipe()
        fflush(nil)
        let child = fork()
        if child < 0 { throw IcecoreError.system("cannot start", "the daemon", errno: errno) }
        if child == 0 {
            close(pipe.read)
            run(reportingTo: pipe.write, body)
        }
        close(pipe.write)
        defer { close(pipe.read) }
        let message = readAll(pipe.read)
        let lines = message.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        let text = lines.count > 1 ? String(decoding: lines[1], as: UTF8.self) : ""
        switch String(decoding: lines.first ?? [], as: UTF8.self) {
        case "ready": return text
        case let word:
            var status: Int32 = 0
            waitpid(child, &status, 0)
            guard let code = codes.first(where: { $0.description == word }) else {
                throw IcecoreError(.system, "the daemon died before it mounted anything (wait status \(status))")
            }
            throw IcecoreError(code, text)
        }
    }

    /// The child: it never returns.
    private static func run(reportingTo pipe: Int32, _ body: (_ report: @escaping (String) -> Void) throws -> Void)
        -> Never
    {
        _ = chdir("/")
        // Nothing of the caller's stays open: its pipes would never end, its file systems never be unmounted.
        closeAll(but: pipe)
        let null = open("/dev/null", O_RDWR)
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where descriptor != null {
            dup2(null, descriptor)
        }
        if null > STDERR_FILENO { close(null) }
        var isReported = false
        do {
            try body { text in
                // Only now: what mounts for an automount does not wait for it, which is known by its group of processes.
                setsid()
                tell(pipe, "ready", text)
                close(pipe)
                isReported = true
            }
            _exit(0)
        } catch {
            let error = error as? IcecoreError ?? IcecoreError(.system, "\(error)")
            if !isReported { tell(pipe, error.code.description, error.description) }
            _exit(error.exitStatus)
        }
    }

    private static let codes: [IcecoreError.Code] = [
        .usage, .invalidData, .notFound, .forbidden, .busy, .noSpace, .unavailable, .unsupported, .damaged, .system,
        .interrupted, .incomplete,
    ]

    private static func tell(_ pipe: Int32, _ word: String, _ text: String) {
        let bytes = Array(word.utf8) + [0] + Array(text.utf8)
        _ = bytes.withUnsafeBytes { write(pipe, $0.baseAddress, $0.count) }
    }

    private static func readAll(_ descriptor: Int32) -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return all }
            all += buffer[..<count]
        }
    }

    private static func closeAll(but kept: Int32) {
        guard let directory = opendir("/proc/self/fd") else {
            for descriptor in 0..<Int32(1024) where descriptor != kept { close(descriptor) }
            return
        }
        var open: [Int32] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let descriptor = Int32(name), descriptor != kept, descriptor != dirfd(directory) {
                open.append(descriptor)
            }
        }
        closedir(directory)
        for descriptor in open { close(descriptor) }
    }
}
