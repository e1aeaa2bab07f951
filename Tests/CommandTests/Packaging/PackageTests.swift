import Basics
import Foundation
import Testbed
import Testing

/// The package for Debian and what is in it. Whether it installs, `docs/deb/try.sh` shows.
@Suite struct PackageTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    private func run(_ program: String, _ words: [String], in scenario: Scenario) throws -> Run {
        try RunningProgram(
            program, words.map { bytes($0) },
            environment: ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"],
            currentDirectory: Self.root, outputs: "\(scenario.directory)/outputs"
        ).wait(seconds: Patience.seconds(60))
    }

    /// Each command has a manual page, and a checker of manual pages finds nothing to complain of.
    @Test func everyCommandHasAManualPage() throws {
        try Scenario.use { scenario in
            let pages = "\(scenario.directory)/man"
            let made = try run("/usr/bin/python3", ["docs/man/make.py", scenario.program, pages], in: scenario)
            try #require(made.status == 0, "\(made)")
            let names = try StoreDigest.files(pages)
            let help = try scenario.run(["--help"]).text
            let commands = help.split(separator: "\n").filter { $0.hasPrefix("  ") }.compactMap { line in
                line.dropFirst(2).first?.isLetter == true ? line.split(separator: " ").first.map(String.init) : nil
            }
            #expect(commands.count > 15)
            for command in commands where command != "help" && command == command.lowercased() {
                #expect(names.contains("man1/icecore-\(command).1"), "\(command)")
            }
            for name in [
                "man1/icecore.1", "man5/icecore-store.5", "man7/icecore-semantics.7", "man8/mount.fuse.icecore.8",
            ] {
                #expect(names.contains(name))
            }
            let lint = try run(
                "/usr/bin/mandoc", ["-T", "lint", "-W", "warning"] + names.map { "\(pages)/\($0)" }, in: scenario)
            #expect(lint.status == 0 && lint.text.isEmpty, "\(lint)")
        }
    }

    @Test func theUnitsAreInForm() throws {
        try Scenario.use { scenario in
            for name in try Files.names(in: "\(Self.root)/fuse") where name.contains("@.") {
                // With a program that is there, and a name for what comes behind the @.
                let unit = "\(scenario.directory)/\(name.replacing("@.", with: "@archive."))"
                let text = String(decoding: try Files.read("\(Self.root)/fuse/\(name)", limit: 1 << 16), as: UTF8.self)
                try text.replacing("/usr/local/bin/icecore", with: "/bin/true").write(
                    toFile: unit, atomically: true, encoding: .utf8)
                let verify = try run("/usr/bin/systemd-analyze", ["verify", "--man=no", unit], in: scenario)
                #expect(verify.status == 0, "\(name): \(verify)")
            }
        }
    }

    /// docs/OPERATING.md, followed to the letter by `Tests/demo/operate.sh`: from nothing to a tested restore.
    @Test func operatingIsWhatOneDoes() throws {
        try Scenario.use { scenario in
            let work = "\(scenario.directory)/operating"
            try Files.createDirectory(work)
            let walk = try RunningProgram(
                "\(Self.root)/Tests/demo/operate.sh", [bytes(scenario.program), bytes(work)],
                environment: [
                    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                ],
                currentDirectory: Self.root, outputs: "\(scenario.directory)/outputs"
            ).wait(seconds: Patience.seconds(240))
            #expect(walk.status == 0, "\(walk)")
            #expect(walk.text.contains("everything in OPERATING.md was done"))
        }
    }

    @Test func thePrometheusFileIsWholeAndHasNoSurprises() throws {
        try Scenario.withContents { scenario in
            let file = "\(scenario.directory)/icecore.prom"
            let run = try scenario.succeed("status", "--prometheus", file)
            #expect(run.stdout.isEmpty)
            let text = String(decoding: try Files.read(file, limit: 1 << 16), as: UTF8.self)
            let status = try #require(try scenario.succeed("status", "--json").records.first)
            var values: [String: Double] = [:]
            for line in text.split(separator: "\n") where !line.hasPrefix("#") {
                let name = line.prefix { $0 != "{" }
                let state =
                    line.firstRange(of: "state=\"").map { "/" + line[$0.upperBound...].prefix { $0 != "\"" } } ?? ""
                #expect(line.contains("bucket=\"\(Scenario.bucket)\""))
                values["\(name.dropFirst(8))\(state)"] = Double(line.split(separator: " ").last ?? "")
            }
            for (name, field) in [
                ("keys", "keys"), ("bytes", "bytes"), ("versions", "versions"), ("blobs", "blobs"),
                ("blob_bytes", "blobBytes"), ("snapshots", "snapshots"), ("absent_versions/missing", "missing"),
                ("absent_versions/gone", "gone"),
            ] {
                #expect(values[name] == (status[field] as? Int).map(Double.init), "\(name)")
            }
            #expect(values["free_bytes"] ?? 0 > 0 && values["last_sync_timestamp_seconds"] ?? 0 > 1e9)
            #expect(try Files.names(in: scenario.directory).allSatisfy { !$0.contains(".prom.") })
            let refused = try scenario.run(["status", "--store", scenario.store, "--prometheus", "/nonexistent/x.prom"])
            #expect(refused.status == 1 && refused.stderr.contains("/nonexistent"), "\(refused)")
        }
    }
}
