import Basics
import Foundation
import Testbed
import Testing

/// Ceph's own tests of S3, with every read answered by a server of the program's: Tests/clients/s3_tests.py.
///
/// What passes at Ceph passes here, but for what the last table of docs/S3.md lists. Runs with `ICECORE_SOAK=1`; takes the
/// tests from GitHub, or from the checkout that `ICECORE_S3_TESTS` names.
@Suite struct S3SuiteTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let isSoak = environment["ICECORE_SOAK"] == "1"
    private static let script = "\(Testbed.root)/Tests/clients/s3_tests.py"
    private static let python = "\(Testbed.root)/.build/testbed-venv/bin/python3"

    /// Where the tests are; nil where they cannot be had.
    private static func checkout() -> String? {
        if let given = environment["ICECORE_S3_TESTS"] { return given }
        let place = "\(Testbed.root)/.build/s3-tests"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = [script, "fetch", place]
        process.standardOutput = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        process.waitUntilExit()
        return process.terminationStatus == 0 ? place : nil
    }

    /// What docs/S3.md says of tests that do not pass: names, some of which end with `*`.
    private static func exceptions() throws -> [String] {
        let text = String(decoding: try Files.read("\(Testbed.root)/docs/S3.md", limit: 1 << 20), as: UTF8.self)
        return text.split(separator: "\n").filter { $0.hasPrefix("| `test_") }.flatMap { line in
            line.matches(of: /`(test_[a-z0-9_]+\*?)`/).map { String($0.output.1) }
        }
    }

    private static func isMeant(_ name: String, by pattern: String) -> Bool {
        pattern.hasSuffix("*") ? name.hasPrefix(pattern.dropLast()) : name == pattern
    }

    @Test(.enabled(if: isSoak, "takes hours: only with ICECORE_SOAK=1")) func whatPassesAtCephPassesHere() throws {
        let tests = try #require(
            Self.checkout(), "GitHub cannot be reached: set ICECORE_S3_TESTS to a checkout of ceph/s3-tests")
        let server = try RGWServer()
        try Scenario.withBucket { scenario in
            let run = try scenario.client(
                Self.python, [Self.script, "run", tests, scenario.program, "\(server.port)", server.directory],
                seconds: 3 * 3600)
            try #require(run.status == 0, "\(run)")
            let result = try run.record
            let served = try #require(result["served"] as? [String: String])
            let reads = try #require(result["reads"] as? [String: Int])
            let why = try #require(result["why"] as? [String: String])
            let failed = served.filter { $0.value != "passed" }.keys.sorted()
            let exceptions = try Self.exceptions()
            for name in failed where !exceptions.contains(where: { Self.isMeant(name, by: $0) }) {
                Issue.record("\(name): \(why[name] ?? "")")
            }
            // A reason for something that passes is out of date.
            for pattern in exceptions where !failed.contains(where: { Self.isMeant($0, by: pattern) }) {
                Issue.record("\(pattern) is listed in docs/S3.md, and passes")
            }
            // Reads did reach the server.
            #expect(reads.values.filter { $0 > 0 }.count > 150, "\(result["passedOn"] ?? "")")
        }
    }
}
