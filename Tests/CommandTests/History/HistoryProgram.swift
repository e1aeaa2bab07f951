import Basics
import Foundation
import Glibc
import Testbed

/// The program under test, run as people run it.
struct HistoryProgram {
    let path: String
    /// Where outputs are kept while they are read, and the program's home.
    let directory: String

    /// `$ICECORE`, else the `icecore` next to the tests or in a directory above.
    init(directory: String) throws {
        self.directory = directory
        if let path = ProcessInfo.processInfo.environment["ICECORE"] {
            self.path = path
            return
        }
        var place = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        while place.path != "/" {
            place.deleteLastPathComponent()
            var isDirectory: ObjCBool = false
            let candidate = place.appending(path: "icecore").path
            if FileManager.default.fileExists(atPath: candidate, isDirectory: &isDirectory), !isDirectory.boolValue {
                path = candidate
                return
            }
        }
        throw TestbedError("there is no icecore beside the tests; build it, or say where it is in $ICECORE")
    }

    /// Runs a command to its end, or for a minute (status 124).
    ///
    /// - Parameter additions: to its environment.
    func run(_ arguments: [String], environment additions: [String: String] = [:]) throws -> Run {
        let (stdout, stderr) = ("\(directory)/stdout", "\(directory)/stderr")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, stdout, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, stderr, O_WRONLY | O_CREAT | O_TRUNC, 0o644)

        // A time zone far from UTC, no store and no credentials: nothing of that may come from the environment.
        let environment =
            ["PATH=/usr/bin:/bin", "HOME=\(directory)", "TZ=Asia/Kathmandu"] + additions.map { "\($0)=\($1)" }
        let words = ["timeout", "60", path] + arguments
        var process: pid_t = 0
        let number = withCStrings(words) { words in
            withCStrings(environment) { environment in
                posix_spawnp(&process, "timeout", &actions, nil, words, environment)
            }
        }
        let command = ([path] + arguments).map(Self.quote).joined(separator: " ")
        guard number == 0 else { throw TestbedError("cannot run \(command): errno \(number)") }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw TestbedError("cannot wait for \(command): errno \(errno)") }
        }
        // The low seven bits are the signal that ended it; the shell adds 128 to it.
        let signal = status & 0x7f
        return Run(
            status: signal == 0 ? status >> 8 & 0xff : 128 + signal,
            stdout: Array(try Data(contentsOf: URL(filePath: stdout))),
            stderr: String(decoding: try Data(contentsOf: URL(filePath: stderr)), as: UTF8.self), command: command)
    }

    private func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers = strings.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("the array holds at least nil") }
            return body(base)
        }
    }

    /// A word as a shell (bash, zsh) reads it.
    static func quote(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { byte in
            byte > 32 && byte < 127 && !"'\"\\$`!*?[]{}()<>|&;#~".utf8.contains(byte)
        }
        if plain, !word.isEmpty { return word }
        let escaped = word.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "'"), UInt8(ascii: "\\"): "\\" + String(UnicodeScalar(byte))
            case 32..<127: String(UnicodeScalar(byte))
            default: "\\x" + Hex.encode([byte])
            }
        }
        return "$'" + escaped.joined() + "'"
    }
}
