import Basics
import Foundation
import Testbed
import Testing

/// What a run of the program gave.
struct Run {
    let status: Int32
    let stdout: [UInt8]
    let stderr: String
    /// The command line, to be pasted into a shell.
    let command: String

    var text: String { String(decoding: stdout, as: UTF8.self) }

    /// The lines of stderr.
    var complaints: [String] {
        stderr.split(separator: "\n").map(String.init)
    }

    /// The JSON objects on stdout, one a line.
    var records: [[String: Any]] {
        get throws {
            try stdout.split(separator: UInt8(ascii: "\n")).map { line in
                guard let record = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] else {
                    throw TestbedError("no JSON object: \(String(decoding: line, as: UTF8.self))")
                }
                return record
            }
        }
    }

    /// The one JSON object on stdout.
    var record: [String: Any] {
        get throws {
            let records = try records
            return try #require(records.count == 1 ? records.first : nil, "\(self)")
        }
    }
}

extension Run: CustomStringConvertible {
    var description: String {
        "\(command)\nstatus \(status)\nstdout: \(text.prefix(2000))\nstderr: \(stderr.prefix(2000))"
    }
}

/// A process of the program.
final class RunningProgram {
    /// Where the program's outputs go.
    enum Destination {
        case file
        case path(String)
        case closed
    }

    let process: pid_t
    private let command: String
    private let stdoutPath: String
    private let stderrPath: String
    private var status: Int32?

    /// - Parameters:
    ///   - words: the arguments, as bytes, for not everything that can be typed is UTF-8.
    ///   - directory: where the program's outputs are kept, one file each.
    init(
        _ program: String, _ words: [[UInt8]], environment: [String: String], currentDirectory: String,
        outputs directory: String, stdout: Destination = .file
    ) throws {
        let name = "\(directory)/run-\(UInt64.random(in: 0 ... .max))"
        stdoutPath = "\(name).out"
        stderrPath = "\(name).err"
        command = ([program] + words.map { String(decoding: $0, as: UTF8.self) }).map(HistoryProgram.quote)
            .joined(separator: " ")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        switch stdout {
        case .file: posix_spawn_file_actions_addopen(&actions, 1, stdoutPath, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        case .path(let path): posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY, 0)
        case .closed: posix_spawn_file_actions_addclose(&actions, 1)
        }
        posix_spawn_file_actions_addopen(&actions, 2, stderrPath, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        // env changes the directory, and is the program from then on.
        let prefix = ["env", "-C", currentDirectory, program].map { Array($0.utf8) }
        var argv: [UnsafeMutablePointer<CChar>?] = (prefix + words).map { word in
            (word + [0]).withUnsafeBufferPointer { bytes in
                bytes.withMemoryRebound(to: CChar.self) { $0.baseAddress.map { strdup($0) } ?? nil }
            }
        }
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { name, value in strdup("\(name)=\(value)") }
        argv.append(nil)
        envp.append(nil)
        defer { (argv + envp).forEach { free($0) } }
        // The threads that run tests block all signals, which a program would inherit.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var child: pid_t = 0
        let code = posix_spawn(&child, "/usr/bin/env", &actions, &attributes, &argv, &envp)
        guard code == 0 else { throw TestbedError("cannot run \(command): \(String(cString: strerror(code)))") }
        process = child
    }

    deinit {
        if status == nil {
            Glibc.kill(process, SIGKILL)
            var ignored: Int32 = 0
            waitpid(process, &ignored, 0)
        }
    }

    /// Whether it has ended.
    var hasEnded: Bool {
        if status != nil { return true }
        var result: Int32 = 0
        guard waitpid(process, &result, WNOHANG) == process else { return false }
        status = result
        return true
    }

    /// What it has written to stderr so far.
    var complaints: String {
        (try? Files.read(stderrPath, limit: 1 << 28)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Whether it has a file open.
    func hasOpen(_ path: String) -> Bool {
        let folder = "/proc/\(process)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.contains { name in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")) == path
        }
    }

    func kill(_ signal: Int32) {
        if !hasEnded { Glibc.kill(process, signal) }
    }

    /// Waits for its end. One that does not end is killed: status 124.
    func wait(seconds: Double = 60) throws -> Run {
        let isDone = Clock.wait(seconds: seconds) { hasEnded }
        if !isDone {
            kill(SIGKILL)
            _ = Clock.wait(seconds: 10) { hasEnded }
        }
        let result = status ?? 0
        let signal = result & 0x7f
        defer {
            unlink(stdoutPath)
            unlink(stderrPath)
        }
        return Run(
            status: !isDone ? 124 : signal == 0 ? result >> 8 & 0xff : 128 + signal,
            stdout: (try? Files.read(stdoutPath, limit: 1 << 28)) ?? [],
            stderr: String(decoding: try Files.read(stderrPath, limit: 1 << 28), as: UTF8.self), command: command)
    }
}
