import Basics
import Foundation
import Testbed
import Testing

/// What `verify` finds, and what it leaves alone.
@Suite struct VerifyTests {
    @Test func nothingIsSaidOfWhatIsSound() throws {
        try VerifyBench.use { store in
            #expect(try store.findings(status: 0).isEmpty)
            #expect(try store.findings("--index-only", status: 0).isEmpty)
            #expect(try store.findings("--sample", "50%", status: 0).isEmpty)
            // A mount and a download that goes on are no damage.
            _ = try store.bench.mount()
            try Files.replace("\(store.store)/tmp/partial-00000000000000000000000000000000-5", with: bytes("12345"))
            #expect(try store.findings(status: 0).isEmpty)
        }
    }

    @Test func everyKindOfDamageIsNamed() throws {
        try VerifyBench.use { store in
            func blob(_ key: String) throws -> String { store.blob(try store.row(key)) }
            var expected: [String: String] = [:]
            for key in ["small/2/2", "parted", "secret"] {
                try VerifyBench.change(try blob(key)) { $0[$0.count / 2] ^= 1 }
                expected[try blob(key)] = "damaged"
            }
            try VerifyBench.change(try blob("small/0/3")) { $0.removeLast() }
            expected[try blob("small/0/3")] = "damaged"
            // In the place of blobs: a link to the very same content, a directory, and what blocks those who open it.
            let linked = try blob("small/1/4")
            try Files.rename(linked, "\(store.bench.directory)/elsewhere")
            symlink("\(store.bench.directory)/elsewhere", linked)
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
                try Files.replace("\(store.store)/\(path)", with: bytes("mine"))
                expected["\(store.store)/\(path)"] = "foreign"
            }
            let list = "\(store.store)/inventories/\(VerifyBench.names[0])/data/\(VerifyBench.names[0])-0.csv.gz"
            // The source's file may be the same file.
            try Files.rename(list, "\(list).old")
            try Files.replace(list, with: try Files.read("\(list).old", limit: 1 << 20) + [0])
            try Files.remove("\(list).old")
            expected[list] = "damaged"

            let findings = try store.findings(status: 1)
            #expect(findings.compactMapValues { $0["kind"] as? String } == expected)
            for key in ["small/2/2", "parted", "secret", "small/0/3", "small/1/7"] {
                let finding = try #require(findings[try blob(key)])
                #expect(finding["key"] as? String == key)
                #expect(finding["lastModified"] as? String == "2024-03-01T00:00:00Z")
                #expect(finding["versionId"] as? String == (try store.row(key).versionId))
            }
            let words = try store.bench.run("verify").text
            #expect(words.contains("needed by 'small/2/2' of 2024-03-01T00:00:00Z"), "\(words)")
            // A repair moves even these, and opens none of them.
            let rest = try store.findings("--repair", status: 1).filter { $0.value["kind"] as? String != "foreign" }
            #expect(rest.count == expected.values.filter { $0 != "foreign" }.count)
            #expect(try store.findings(status: 1).values.filter { $0["kind"] as? String != "foreign" }.count == 1)
            for name in try Files.names(in: "\(store.store)/quarantine") {
                try Files.removeAll("\(store.store)/quarantine/\(name)")
            }
        }
    }

    @Test func onlyMissingOnesAreStatusThree() throws {
        try VerifyBench.use { store in
            let path = store.blob(try store.row("shared/a"))
            try Files.remove(path)
            let run = try store.bench.run("verify", "--json")
            #expect(run.status == 3, "\(run)")
            // Both keys need it.
            #expect(try run.records.compactMap { $0["key"] as? String }.sorted() == ["shared/a", "shared/b"])
            #expect(try store.findings("--repair", status: 0).count == 1)
            #expect(try store.findings(status: 0).isEmpty)
            #expect(Files.exists(path))
        }
    }

    @Test func aVerificationGoesOnWhereItStopped() throws {
        try VerifyBench.use(small: 300) { store in
            let bad = store.blob(try store.row("small/2/2"))
            let process = try store.bench.start(["verify", "--store", store.store, "--limit-rate", "1M"])
            // The large blob takes five seconds.
            #expect(
                Clock.wait(seconds: 60) {
                    (try? Files.names(in: "/proc/\(process.process)/fd").count) ?? 0 > 8
                })
            usleep(500_000)
            process.kill(SIGINT)
            let stopped = try process.wait()
            #expect(stopped.status == 1 && stopped.stderr.contains("same command again"), "\(stopped)")
            let state = String(decoding: try Files.read("\(store.store)/verify.state", limit: 1 << 20), as: UTF8.self)
            #expect(state.contains("\nrun "))
            let next = try store.bench.run("verify")
            #expect(next.status == 0 && next.stderr.contains("going on"), "\(next)")
            // What was verified is passed over, what came or changed since is not, and damage is never forgotten.
            let since = try store.bench.run(["verify", "--store", store.store, "--since", "1d"])
            #expect(since.stderr.contains("checked 0 blobs"), "\(since)")
            try VerifyBench.change(bad) { $0[0] ^= 4 }
            for _ in 0..<2 { #expect(try store.findings("--since", "1d", status: 1)[bad] != nil) }
            #expect(try store.findings("--since", "1d", "--repair", status: 0).count == 1)
            let all = try store.bench.run("verify")
            #expect(all.status == 0 && !all.stderr.contains("going on"), "\(all)")
        }
    }

    @Test func aRepairTakesWhicheverVersionTheSourceHas() throws {
        try VerifyBench.use { store in
            let shared = try store.row("shared/a")
            let (blob, gone) = (store.blob(shared), try store.row("small/2/2"))
            try VerifyBench.change(blob) { $0[0] ^= 1 }
            try VerifyBench.change(store.blob(gone)) { $0[0] ^= 1 }
            try VerifyBench.change(store.blob(try store.row("parted"))) { $0[5_300_000] ^= 1 }
            try VerifyBench.change(store.blob(try store.row("secret"))) { $0[0] ^= 1 }
            let body = "<Error><Code>NoSuchVersion</Code><Message>gone</Message></Error>"
            for row in [shared, gone] {
                try store.sync.server.can(store.sync.target(row), .init(status: 404, body: body))
            }
            let views = try store.views()
            let run = try store.bench.run("verify", "--repair", "--json")
            #expect(run.status == 1, "\(run)")
            let lost = try run.records.filter { $0["kind"] as? String == "lost" }
            #expect(lost.compactMap { $0["key"] as? String } == ["small/2/2"], "\(run)")
            #expect(try Files.read(blob, limit: 100) == shared.content)
            #expect(try Files.names(in: "\(store.store)/quarantine").count == 5)
            #expect(try Files.names(in: "\(store.store)/tmp").isEmpty)
            // What nobody has any more is said once.
            #expect(try store.findings(status: 0).isEmpty)
            #expect(try store.bench.run("sync").status == 0)
            let after = try store.views()
            #expect(after.prefix(4) == views.prefix(4))
        }
    }

    @Test func withoutItsSourceARepairLosesNothing() throws {
        try VerifyBench.use { store in
            let blob = store.blob(try store.row("small/2/2"))
            try VerifyBench.change(blob) { $0[0] ^= 1 }
            let run = try store.bench.run("verify", "--repair", environment: ["AWS_ENDPOINT_URL": "http://127.0.0.1:1"])
            #expect(run.status == 1 || run.status == 3, "\(run)")
            #expect(try store.findings(status: 3).count == 1)
            // The next sync asks for it.
            try store.bench.succeed("sync", "--date", VerifyBench.names[0])
            #expect(try store.findings(status: 0).isEmpty)
        }
    }
}
