import Basics
import Foundation
import Testbed
import Testing

/// What `verify` finds, and what it leaves alone.
@Suite struct VerifyTests {
    @Test func nothingIsSaidOfWhatIsSound() throws {
        try Scenario.withContents { scenario in
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(try scenario.findings("--index-only", status: 0).isEmpty)
            #expect(try scenario.findings("--sample", "50%", status: 0).isEmpty)
            // A mount and a download that goes on are no damage.
            _ = try scenario.mount()
            try Files.replace("\(scenario.store)/tmp/partial-00000000000000000000000000000000-5", with: bytes("12345"))
            #expect(try scenario.findings(status: 0).isEmpty)
        }
    }

    @Test func everyKindOfDamageIsNamed() throws {
        try Scenario.withContents { scenario in
            func blob(_ key: String) throws -> String { scenario.blob(try scenario.row(key)) }
            var expected: [String: String] = [:]
            for key in ["small/2/2", "parted", "secret"] {
                try Scenario.change(try blob(key)) { $0[$0.count / 2] ^= 1 }
                expected[try blob(key)] = "damaged"
            }
            try Scenario.change(try blob("small/0/3")) { $0.removeLast() }
            expected[try blob("small/0/3")] = "damaged"
            // In the place of blobs: a link to the very same content, a directory, and what blocks those who open it.
            let linked = try blob("small/1/4")
            try Files.rename(linked, "\(scenario.directory)/elsewhere")
            symlink("\(scenario.directory)/elsewhere", linked)
            let directory = try blob("small/2/5")
            try Files.remove(directory)
            try Files.createDirectory(directory)
            let pipe = try blob("small/0/6")
            try Files.remove(pipe)
            mkfifo(pipe, 0o444)
            for path in [linked, directory, pipe] { expected[path] = "damaged" }
            try Files.remove(try blob("small/1/7"))
            expected[try blob("small/1/7")] = "missing"
            for path in ["notes.txt", "blobs/readme", "blobs/00/readme", "blobs/00/ffffffffffffffffffffffffffffffff-1"]
            {
                try Files.replace("\(scenario.store)/\(path)", with: bytes("mine"))
                expected["\(scenario.store)/\(path)"] = "foreign"
            }
            let list =
                "\(scenario.store)/inventories/\(Scenario.inventoryNames[0])/data/\(Scenario.inventoryNames[0])-0.csv.gz"
            // The source's file may be the same file.
            try Files.rename(list, "\(list).old")
            try Files.replace(list, with: try Files.read("\(list).old", limit: 1 << 20) + [0])
            try Files.remove("\(list).old")
            expected[list] = "damaged"

            let findings = try scenario.findings(status: 1)
            #expect(findings.compactMapValues { $0["kind"] as? String } == expected)
            for key in ["small/2/2", "parted", "secret", "small/0/3", "small/1/7"] {
                let finding = try #require(findings[try blob(key)])
                #expect(finding["key"] as? String == key)
                #expect(finding["lastModified"] as? String == "2024-03-01T00:00:00Z")
                #expect(finding["versionId"] as? String == (try scenario.row(key).versionId))
            }
            let words = try scenario.run("verify").text
            #expect(words.contains("needed by 'small/2/2' of 2024-03-01T00:00:00Z"), "\(words)")
            // A repair moves even these, and opens none of them.
            let rest = try scenario.findings("--repair", status: 1).filter { $0.value["kind"] as? String != "foreign" }
            #expect(rest.count == expected.values.filter { $0 != "foreign" }.count)
            #expect(try scenario.findings(status: 1).values.filter { $0["kind"] as? String != "foreign" }.count == 1)
            for name in try Files.names(in: "\(scenario.store)/quarantine") {
                try Files.removeAll("\(scenario.store)/quarantine/\(name)")
            }
        }
    }

    @Test func onlyMissingOnesAreStatusThree() throws {
        try Scenario.withContents { scenario in
            let path = scenario.blob(try scenario.row("shared/a"))
            try Files.remove(path)
            let run = try scenario.run("verify", "--json")
            #expect(run.status == 3, "\(run)")
            // Both keys need it.
            #expect(try run.records.compactMap { $0["key"] as? String }.sorted() == ["shared/a", "shared/b"])
            #expect(try scenario.findings("--repair", status: 0).count == 1)
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(Files.exists(path))
        }
    }

    @Test func aVerificationGoesOnWhereItStopped() throws {
        try Scenario.withContents(small: 300) { scenario in
            let bad = scenario.blob(try scenario.row("small/2/2"))
            let process = try scenario.startVerification()
            process.kill(SIGINT)
            let stopped = try process.wait()
            #expect(stopped.status == 1 && stopped.stderr.contains("same command again"), "\(stopped)")
            let state = String(
                decoding: try Files.read("\(scenario.store)/verify.state", limit: 1 << 20), as: UTF8.self)
            #expect(state.contains("\nrun "))
            let next = try scenario.run("verify")
            #expect(next.status == 0 && next.stderr.contains("resuming"), "\(next)")
            // What was verified is passed over, what came or changed since is not, and damage is never forgotten.
            let since = try scenario.run(["verify", "--store", scenario.store, "--since", "1d"])
            #expect(since.stderr.contains("checked 0 blobs"), "\(since)")
            try Scenario.change(bad) { $0[0] ^= 4 }
            for _ in 0..<2 { #expect(try scenario.findings("--since", "1d", status: 1)[bad] != nil) }
            #expect(try scenario.findings("--since", "1d", "--repair", status: 0).count == 1)
            let all = try scenario.run("verify")
            #expect(all.status == 0 && !all.stderr.contains("resuming"), "\(all)")
        }
    }

    @Test func aRepairTakesWhicheverVersionTheSourceHas() throws {
        try Scenario.withContents { scenario in
            let shared = try scenario.row("shared/a")
            let (blob, gone) = (scenario.blob(shared), try scenario.row("small/2/2"))
            try Scenario.change(blob) { $0[0] ^= 1 }
            try Scenario.change(scenario.blob(gone)) { $0[0] ^= 1 }
            try Scenario.change(scenario.blob(try scenario.row("parted"))) { $0[5_300_000] ^= 1 }
            try Scenario.change(scenario.blob(try scenario.row("secret"))) { $0[0] ^= 1 }
            let body = "<Error><Code>NoSuchVersion</Code><Message>gone</Message></Error>"
            for row in [shared, gone] {
                try scenario.server.can(scenario.target(row), .init(status: 404, body: body))
            }
            let views = try scenario.views()
            let run = try scenario.run("verify", "--repair", "--json")
            #expect(run.status == 1, "\(run)")
            let lost = try run.records.filter { $0["kind"] as? String == "lost" }
            #expect(lost.compactMap { $0["key"] as? String } == ["small/2/2"], "\(run)")
            #expect(try Files.read(blob, limit: 100) == shared.content)
            #expect(try Files.names(in: "\(scenario.store)/quarantine").count == 5)
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
            // What nobody has any more is said once.
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(try scenario.run("sync").status == 0)
            let after = try scenario.views()
            #expect(after.prefix(4) == views.prefix(4))
        }
    }

    @Test func withoutItsSourceARepairLosesNothing() throws {
        try Scenario.withContents { scenario in
            let blob = scenario.blob(try scenario.row("small/2/2"))
            try Scenario.change(blob) { $0[0] ^= 1 }
            let run = try scenario.run("verify", "--repair", environment: ["AWS_ENDPOINT_URL": "http://127.0.0.1:1"])
            #expect(run.status == 1 || run.status == 3, "\(run)")
            #expect(try scenario.findings(status: 3).count == 1)
            // The next sync asks for it.
            try scenario.succeed("sync", "--date", Scenario.inventoryNames[0])
            #expect(try scenario.findings(status: 0).isEmpty)
        }
    }
}
