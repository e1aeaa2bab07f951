import Basics
import Foundation
import Testbed
import Testing

/// A directory with a store, and all that a test does with them. Everything that it starts ends with it, and everything
/// that it mounts is unmounted, in whatever way the test ends.
///
/// What else a scenario can have is in extensions: a made-up bucket, contents of all kinds, replicas.
///
/// No output of any program, and no file at the end, may hold a secret: that is looked for without being asked.
final class Scenario {
    let directory: String
    /// The store that commands without another get.
    let store: String
    /// The environment that the program runs in, and nothing else.
    var environment: [String: String]
    /// What must never be seen.
    var secrets: [String] = []
    let program: String
    /// See ``withBucket(permanentFilter:in:_:)``.
    var madeUpBucket: MadeUpBucket?
    /// What the newest inventory lists: see ``withContents(small:_:)``.
    var rows: [InventoryFolder.Row] = []
    private var running: [RunningProgram] = []
    private var mounts: [String] = []

    private init(_ directory: String, _ server: S3Server?) throws {
        // As the kernel lists mounts.
        let directory = try #require(
            realpath(directory, nil).map { path in
                defer { free(path) }
                return String(cString: path)
            })
        self.directory = directory
        store = "\(directory)/store"
        // Beside the store, where what the test itself keeps is not searched for secrets.
        try Files.createDirectory("\(directory)/outputs")
        program = try HistoryProgram(directory: directory).path
        environment = server?.environment ?? ["AWS_EC2_METADATA_DISABLED": "true"]
        environment["PATH"] = "/usr/bin:/bin"
        environment["HOME"] = directory
        environment["TZ"] = "Asia/Kathmandu"
        if let server, !server.secretKey.isEmpty { hide(server.secretKey) }
    }

    /// Runs a test in a directory of its own, with the credentials of a server if one is given.
    static func use<Result>(
        _ server: S3Server? = nil, in place: String? = nil, _ body: (Scenario) throws -> Result
    ) throws -> Result {
        try Testbed.withDirectory(in: place) { directory in
            let scenario = try Scenario(directory, server)
            defer { scenario.end() }
            let result = try body(scenario)
            scenario.endAll()
            try scenario.expectNoSecretInFiles()
            return result
        }
    }

    private func endAll() {
        for mount in mounts { unmount(mount) }
        mounts = []
        for program in running { program.kill(SIGKILL) }
        running = []
    }

    private func end() {
        endAll()
    }

    // MARK: - Secrets

    /// A secret in all the ways in which it could be written.
    func hide(_ secret: String) {
        let plain = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        secrets.append(secret)
        if let encoded = secret.addingPercentEncoding(withAllowedCharacters: plain), encoded != secret {
            secrets.append(encoded)
        }
        secrets.append(Data(secret.utf8).base64EncodedString())
    }

    private func expectNoSecret(_ content: [UInt8], _ place: String) {
        for secret in secrets where Scenario.find(Array(secret.utf8), in: content) {
            Issue.record("\(place) holds the secret '\(secret)'")
        }
    }

    /// Whether bytes stand somewhere in others: by memchr, for contents are large and tests are not optimized.
    private static func find(_ bytes: [UInt8], in content: [UInt8]) -> Bool {
        guard let first = bytes.first else { return false }
        return content.withUnsafeBytes { content in
            bytes.withUnsafeBytes { bytes in
                guard let base = content.baseAddress, let pattern = bytes.baseAddress else { return false }
                var offset = 0
                while content.count - offset >= bytes.count,
                    let found = memchr(base + offset, Int32(first), content.count - offset - bytes.count + 1)
                {
                    if memcmp(found, pattern, bytes.count) == 0 { return true }
                    offset = base.distance(to: found) + 1
                }
                return false
            }
        }
    }

    /// Looks into every file of the store.
    func expectNoSecretInFiles() throws {
        guard !secrets.isEmpty, Files.exists(store) else { return }
        // The largest are what the test's own servers make up.
        for path in try StoreDigest.files(store) where (Files.size("\(store)/\(path)") ?? 0) < 64 << 20 {
            do {
                expectNoSecret(try Files.read("\(store)/\(path)", limit: 1 << 30), "the store's \(path)")
            } catch  where path.hasPrefix("tmp/") && !Files.exists("\(store)/\(path)") {
                // A daemon that was ending has given it its name.
                continue
            }
        }
    }

    // MARK: - The program

    /// Starts the program; it is killed at the end if it still runs.
    func start(
        _ words: [String], environment: [String: String] = [:], in currentDirectory: String? = nil,
        stdout: RunningProgram.Destination = .file
    ) throws -> RunningProgram {
        try start(words.map { Array($0.utf8) }, environment: environment, in: currentDirectory, stdout: stdout)
    }

    func start(
        _ words: [[UInt8]], environment change: [String: String] = [:], in currentDirectory: String? = nil,
        stdout: RunningProgram.Destination = .file
    ) throws -> RunningProgram {
        let process = try RunningProgram(
            program, words, environment: environment.merging(change) { $1 }.filter { !$0.value.isEmpty },
            currentDirectory: currentDirectory ?? directory, outputs: "\(directory)/outputs", stdout: stdout)
        running.append(process)
        return process
    }

    /// Runs the program to its end.
    ///
    /// - Parameter environment: changes; an empty value takes a variable away.
    @discardableResult
    func run(
        _ words: [String], environment: [String: String] = [:], in currentDirectory: String? = nil,
        stdout: RunningProgram.Destination = .file, seconds: Double = 60
    ) throws -> Run {
        let process = try start(words, environment: environment, in: currentDirectory, stdout: stdout)
        let run = try process.wait(seconds: seconds)
        running.removeAll { $0 === process }
        expectNoSecret(run.stdout + bytes(run.stderr), "the output of \(run.command)")
        return run
    }

    /// Runs a script of the shell to its end; in it, `$ICECORE` is the program and `$STORE` the store.
    func shell(_ script: String, seconds: Double = 60) throws -> Run {
        let process = try RunningProgram(
            "/bin/sh", [bytes("-c"), bytes(script)],
            environment: environment.merging(["ICECORE": program, "STORE": store]) { $1 },
            currentDirectory: directory, outputs: "\(directory)/outputs")
        running.append(process)
        defer { running.removeAll { $0 === process } }
        return try process.wait(seconds: seconds)
    }

    /// Runs a command on the store under another program, which gets the command line as its last words.
    func run(under wrapper: [String], _ command: String, seconds: Double = 60) throws -> Run {
        try run(under: wrapper, [command, "--store", store], seconds: seconds)
    }

    /// Runs the program under another one, which gets the command line as its last words.
    func run(
        under wrapper: [String], _ words: [String], environment change: [String: String] = [:], seconds: Double = 60
    ) throws -> Run {
        let words = wrapper.dropFirst() + [program] + words
        let process = try RunningProgram(
            wrapper[0], words.map { Array($0.utf8) },
            environment: environment.merging(change) { $1 }.filter { !$0.value.isEmpty }, currentDirectory: directory,
            outputs: "\(directory)/outputs")
        running.append(process)
        let run = try process.wait(seconds: seconds)
        running.removeAll { $0 === process }
        return run
    }

    /// Runs the program to its end.
    ///
    /// - Returns: how it went, and the most memory that it has had, in KiB.
    func measured(
        _ words: [String], environment: [String: String] = [:], seconds: Double = 60
    ) throws -> (run: Run, peak: Int) {
        let script = """
            import resource, subprocess, sys
            status = subprocess.run(sys.argv[1:]).returncode
            print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
            sys.exit(status)
            """
        let run = try run(
            under: ["/usr/bin/python3", "-c", script], words, environment: environment, seconds: seconds)
        let peak = run.complaints.last.flatMap { $0.hasPrefix("peak ") ? Int($0.dropFirst(5)) : nil }
        return (run, try #require(peak, "\(run)"))
    }

    /// Runs a command on the store.
    @discardableResult
    func run(_ command: String, _ words: String..., environment: [String: String] = [:]) throws -> Run {
        try run([command, "--store", store] + words, environment: environment)
    }

    /// Runs a command on the store that must succeed.
    @discardableResult
    func succeed(
        _ command: String, _ words: String..., environment: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Run {
        let run = try run([command, "--store", store] + words, environment: environment)
        try #require(run.status == 0, "\(run)", sourceLocation: sourceLocation)
        return run
    }

    /// Makes the store.
    func initialize(_ bucket: String, inventory: String, _ words: String...) throws {
        let run = try run(["init", store, "--bucket", "s3://\(bucket)", "--inventory", inventory] + words)
        try #require(run.status == 0, "\(run)")
    }

    // MARK: - Mounts

    /// Mounts the store; the mount point.
    func mount(_ words: String..., name: String = "mnt") throws -> String {
        let point = "\(directory)/\(name)"
        try Files.createDirectory(point)
        mounts.append(point)
        let run = try run(["mount", point, "--store", store] + words)
        try #require(run.status == 0, "\(run)")
        return point
    }

    /// Has what was mounted otherwise unmounted at the end.
    func noteMount(_ point: String) {
        if !mounts.contains(point) { mounts.append(point) }
    }

    func unmount(_ point: String) {
        for option in ["-u", "-uz"] {
            guard Scenario.isMounted(point) else { return }
            _ = try? RunningProgram(
                "/usr/bin/fusermount3", [option, "-q", "--", point].map { Array($0.utf8) }, environment: [:],
                currentDirectory: "/", outputs: "\(directory)/outputs"
            ).wait(seconds: 10)
        }
    }

    static func isMounted(_ point: String) -> Bool {
        guard let mounts = try? Files.read("/proc/self/mounts", limit: 1 << 24) else { return false }
        let escaped = point.replacing(" ", with: "\\040")
        return String(decoding: mounts, as: UTF8.self).contains(" \(escaped) ")
    }
}
