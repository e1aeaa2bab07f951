import Basics
import Foundation
import Testbed
import Testing

/// What `--help` prints, compared with the files in `Help/`, byte by byte.
///
/// After a change that is meant, `ICECORE_RENEW_HELP=1 swift test --filter HelpTests` writes the files anew.
@Suite struct HelpTests {
    private static let directory = Testbed.root + "/Tests/CommandTests/Help"
    private static let isRenewing = ProcessInfo.processInfo.environment["ICECORE_RENEW_HELP"] == "1"

    private func help(_ bench: Bench, _ words: [String]) throws -> String {
        let run = try bench.run(words + ["--help"], environment: ["COLUMNS": "100"])
        #expect(run.status == 0 && run.stderr.isEmpty, "\(run)")
        return run.text
    }

    @Test func everyCommandSaysWhatItDoes() throws {
        try Bench.use { bench in
            let overview = try help(bench, [])
            // The program itself says which commands there are: a new one without a file fails.
            let listed = try #require(overview.components(separatedBy: "SUBCOMMANDS:\n").dropFirst().first)
            let commands = listed.split(separator: "\n").compactMap { line -> String? in
                let word = line.prefix { $0 != " " }
                guard line.hasPrefix("  "), !line.hasPrefix("   ") else { return word.isEmpty ? nil : nil }
                return line.dropFirst(2).split(separator: " ").first.map(String.init)
            }.filter { $0 != "See" }
            #expect(
                Set(commands).isSuperset(of: ["init", "sync", "mount", "snapshots", "versions", "ls", "cat", "status"]))
            var expected: Set<String> = []
            for command in [[]] + commands.map({ [$0] }) {
                let file = "\(command.first ?? "icecore").txt"
                expected.insert(file)
                let text = command.isEmpty ? overview : try help(bench, command)
                if Self.isRenewing { try Files.replace("\(Self.directory)/\(file)", with: Array(text.utf8)) }
                let kept = try? String(contentsOfFile: "\(Self.directory)/\(file)", encoding: .utf8)
                #expect(kept == text, "Help/\(file) is not what 'icecore \(command.first ?? "") --help' prints")
            }
            let kept = Set(try Files.names(in: Self.directory).filter { $0.hasSuffix(".txt") })
            #expect(kept == expected, "files of commands that there are no more")
        }
    }
}
