import Basics
import Glibc
import Synchronization

/// A program that prints credentials, as AWS documents `credential_process`.
///
/// Written with `posix_spawn` rather than swift-subprocess, which is async; nothing else here is.
struct CredentialProcess {
    let command: String
    let profile: String
    let environment: [String: String]

    /// The process groups of the programs that run.
    private static let running = Mutex<Set<pid_t>>([])

    /// Ends all programs that are still running, with what they have started: for a process that will not wait for them.
    static func stopAll() {
        running.withLock { groups in
            for group in groups { kill(-group, SIGKILL) }
        }
    }

    /// Long enough for a user to touch a hardware key.
    private static let limitMilliseconds: UInt64 = 60_000
    private static let outputLimit = 1 << 20

    private var origin: String { "the credential_process of profile '\(profile)'" }
    private var limit: UInt64 {
        // For tests, and for users who want to wait less.
        environment["ICECORE_CREDENTIAL_PROCESS_TIMEOUT"].flatMap { UInt64($0) }.map { min($0, 3600) * 1000 }
            ?? Self.limitMilliseconds
    }

    /// Runs the program in a shell; its standard error is discarded, because it may contain secrets.
    func run() throws -> Credentials {
        var ends: [Int32] = [-1, -1]
        // A socket pair rather than a pipe: it is close-on-exec from the start.
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try systemCall("cannot create", "socket pair") { socketpair(AF_UNIX, kind, 0, &ends) }
        let child: pid_t
        do {
            defer { close(ends[1]) }
            child = try start(output: ends[1])
        } catch {
            close(ends[0])
            throw error
        }
        defer { close(ends[0]) }
        CredentialProcess.running.withLock { _ = $0.insert(child) }
        var status: Int32 = 0
        var isReaped = false
        defer {
            // The whole group, so that the program's own children do not survive.
            kill(-child, SIGKILL)
            CredentialProcess.running.withLock { _ = $0.remove(child) }
            if !isReaped { waitpid(child, &status, 0) }
        }
        let deadline = MonotonicClock.milliseconds() + limit
        let output = try read(ends[0], until: deadline)
        // It may have closed its output and still be running.
        while !isReaped {
            let result = waitpid(child, &status, WNOHANG)
            if result == child || (result < 0 && errno != EINTR) {
                isReaped = true
            } else {
                try checkTime(deadline)
                usleep(2000)
            }
        }
        let signal = status & 0x7f
        let exitStatus = (status >> 8) & 0xff
        if signal != 0 || exitStatus != 0 {
            let how = signal != 0 ? "was killed by signal \(signal)" : "failed with exit status \(exitStatus)"
            throw IcecoreError(.forbidden, "\(origin) \(how); run it by hand to see why")
        }
        return try CredentialDocument.credentials(output, from: origin)
    }

    private func checkTime(_ deadline: UInt64) throws(IcecoreError) {
        try Interruption.check()
        if MonotonicClock.milliseconds() >= deadline {
            throw IcecoreError(.forbidden, "\(origin) did not finish within \(limit / 1000) seconds")
        }
    }

    private func read(_ descriptor: Int32, until deadline: UInt64) throws -> [UInt8] {
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&entry, 1, 100) <= 0 {
                try checkTime(deadline)
                continue
            }
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return output }
            output.append(contentsOf: buffer[..<count])
            if output.count > Self.outputLimit { throw IcecoreError(.invalidData, "\(origin) printed too much") }
            try checkTime(deadline)
        }
    }

    private func start(output: Int32) throws(IcecoreError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // SIGPIPE is ignored here; the child must not inherit that.
        var defaults = sigset_t()
        sigemptyset(&defaults)
        sigaddset(&defaults, SIGPIPE)
        sigaddset(&defaults, SIGXFSZ)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var words = ["/bin/sh", "-c", command]
        // A daemon has left the directory that a relative path in the command starts from.
        if let directory = environment["PWD"], directory.hasPrefix("/"), directory != Files.currentDirectory {
            words = ["/bin/sh", "-c", #"cd -- "$1" 2>/dev/null; shift; eval "$0""#, command, directory]
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { (text: String) in strdup(text) }
        arguments.append(nil)
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { (name, value) in strdup("\(name)=\(value)") }
        variables.append(nil)
        defer { (arguments + variables).forEach { free($0) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, "/bin/sh", &actions, &attributes, &arguments, &variables)
        if code != 0 { throw .system("cannot run \(origin) with", "/bin/sh", errno: code) }
        return child
    }
}
