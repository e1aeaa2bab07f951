import Foundation
import Testing

/// What `--help` prints, kept in Help/*.txt so that changes are noticed. `ICECORE_RENEW_HELP=1` rewrites the files.
@Suite struct HelpTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Help").path
    private static let renews = ProcessInfo.processInfo.environment["ICECORE_RENEW_HELP"] == "1"

    private static func help(_ command: [String]) throws -> String {
        let directory = FileManager.default.temporaryDirectory.appending(path: "icecore-help-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let output = try HistoryProgram(directory: directory).run(command + ["--help"])
        #expect(output.status == 0 && output.stderr.isEmpty, "\(output.command): \(output.stderr)")
        return String(decoding: output.stdout, as: UTF8.self)
    }

    /// The commands that `icecore --help` lists: `  diff                    List the keys that differ between two dates.`
    private static func commands() throws -> [String] {
        let lines = try help([]).split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex(of: "SUBCOMMANDS:"))
        return lines[(start + 1)...].prefix { !$0.isEmpty }.compactMap { line in
            line.hasPrefix("  ") && !line.hasPrefix("   ") ? line.split(separator: " ").first.map(String.init) : nil
        }
    }

    @Test func everyCommandSaysWhatItSaidBefore() throws {
        let commands = try Self.commands()
        #expect(commands.count >= 8, "\(commands)")
        for command in [nil] + commands.map(Optional.some) {
            let file = "\(Self.folder)/\(command ?? "icecore").txt"
            let text = try Self.help(command.map { [$0] } ?? [])
            if Self.renews { try text.write(toFile: file, atomically: true, encoding: .utf8) }
            let kept = try? String(contentsOfFile: file, encoding: .utf8)
            #expect(text == kept, "if this is intended: ICECORE_RENEW_HELP=1 swift test --filter HelpTests")
        }
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder).filter { $0.hasSuffix(".txt") }
        #expect(
            Set(files) == Set((commands + ["icecore"]).map { "\($0).txt" }), "a file for each command, and no other")
    }

    @Test func noLineIsWiderThanATerminal() throws {
        for command in [[]] + (try Self.commands().map { [$0] }) {
            // The library does not wrap the usage line.
            let lines = try Self.help(command).split(separator: "\n").filter { !$0.hasPrefix("USAGE:") }
            #expect(lines.allSatisfy { $0.count <= 80 }, "\(command)")
        }
    }
}
