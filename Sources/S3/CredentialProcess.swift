import Basics
import FoundationEssentials
import Glibc

/// The JSON in which programs and metadata services hand out credentials.
struct CredentialDocument: Decodable {
    var version: Int?
    var accessKeyId: String?
    var secretAccessKey: String?
    /// `credential_process` says SessionToken, the metadata services say Token.
    var sessionToken: String?
    var token: String?
    var expiration: String?

    enum CodingKeys: String, CodingKey {
        case version = "Version"
        case accessKeyId = "AccessKeyId"
        case secretAccessKey = "SecretAccessKey"
        case sessionToken = "SessionToken"
        case token = "Token"
        case expiration = "Expiration"
    }

    /// - Parameter origin: who answered, for the error: "the credential_process of profile 'x'".
    static func credentials(_ bytes: [UInt8], from origin: String) throws -> Credentials {
        // The decoder's own error would quote what it read, which is secret.
        guard let document = try? UntrustedJSON.decode(CredentialDocument.self, from: Array(bytes)) else {
            throw IcecoreError(.invalidData, "\(origin) did not answer with the JSON that it should print")
        }
        guard let accessKey = document.accessKeyId, let secretKey = document.secretAccessKey, !accessKey.isEmpty,
            !secretKey.isEmpty
        else { throw IcecoreError(.invalidData, "the answer of \(origin) lacks AccessKeyId or SecretAccessKey") }
        var expiration: Timestamp?
        if let text = document.expiration, !text.isEmpty {
            guard let instant = Timestamp(rfc3339: text) else {
                throw IcecoreError(.invalidData, "the answer of \(origin) has an Expiration that is no RFC 3339 time")
            }
            if instant <= Timestamp.now() {
                throw IcecoreError(.forbidden, "\(origin) answered with credentials that have expired already")
            }
            expiration = instant
        }
        return Credentials(
            accessKeyId: accessKey, secretAccessKey: secretKey, sessionToken: document.sessionToken ?? document.token,
            expiration: expiration)
    }
}

/// A program that prints credentials, as the AWS documentation of `credential_process` has it.
struct CredentialProcess {
    let command: String
    let profile: String
    let environment: [String: String]

    /// Long enough for somebody to touch a hardware key.
    private static let limitMilliseconds: UInt64 = 60_000
    private static let outputLimit = 1 << 20

    private var origin: String { "the credential_process of profile '\(profile)'" }
    private var limit: UInt64 {
        // For tests, and for those whose patience is shorter.
        environment["ICECORE_CREDENTIAL_PROCESS_TIMEOUT"].flatMap { UInt64($0) }.map { min($0, 3600) * 1000 }
            ?? Self.limitMilliseconds
    }

    /// Runs the program by the shell; its standard error is thrown away, for it may hold what nobody should see.
    func run() throws -> Credentials {
        var ends: [Int32] = [-1, -1]
        // A socket pair rather than a pipe: it is close-on-exec from the beginning.
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
        var status: Int32 = 0
        var isReaped = false
        defer {
            // The whole group: what the program started must not live on.
            kill(-child, SIGKILL)
            if !isReaped { waitpid(child, &status, 0) }
        }
        let deadline = MonotonicClock.milliseconds() + limit
        let output = try read(ends[0], until: deadline)
        // Its output may be closed while it still runs.
        while !isReaped {
            let result = waitpid(child, &status, WNOHANG)
            if result == child || (result < 0 && errno != EINTR) {
                isReaped = true
            } else {
                try checkPatience(deadline)
                usleep(2000)
            }
        }
        let signal = status & 0x7f
        let exitStatus = (status >> 8) & 0xff
        if signal != 0 || exitStatus != 0 {
            let how = signal != 0 ? "was ended by signal \(signal)" : "failed with exit status \(exitStatus)"
            throw IcecoreError(.forbidden, "\(origin) \(how); run it by hand to see why")
        }
        return try CredentialDocument.credentials(output, from: origin)
    }

    private func checkPatience(_ deadline: UInt64) throws(IcecoreError) {
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
                try checkPatience(deadline)
                continue
            }
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return output }
            output.append(contentsOf: buffer[..<count])
            if output.count > Self.outputLimit { throw IcecoreError(.invalidData, "\(origin) printed far too much") }
            try checkPatience(deadline)
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
        // The child must not inherit that SIGPIPE is ignored.
        var defaults = sigset_t()
        sigemptyset(&defaults)
        sigaddset(&defaults, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var arguments: [UnsafeMutablePointer<CChar>?] = ["/bin/sh", "-c", command].map { (text: String) in strdup(text)
        }
        arguments.append(nil)
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { (name, value) in strdup("\(name)=\(value)") }
        variables.append(nil)
        defer { (arguments + variables).forEach { free($0) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, "/bin/sh", &actions, &attributes, &arguments, &variables)
        if code != 0 { throw .system("cannot run \(origin) by", "/bin/sh", errno: code) }
        return child
    }
}
