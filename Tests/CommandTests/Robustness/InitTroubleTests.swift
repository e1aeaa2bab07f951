import Basics
import Foundation
import Testbed
import Testing

/// What keeps `init` from looking, and what it finds out besides.
@Suite struct InitTroubleTests {
    typealias Row = InventoryFolder.Row
    private static let name = "2024-03-02T01-00Z"

    private func use(_ body: (Scenario, InventoryFolder) throws -> Void) throws {
        try Scenario.use { scenario in
            let folder = try InventoryFolder("\(scenario.directory)/inventories", bucket: "bucket")
            try folder.write(Self.name, (0..<9).map { Row("key \($0)", bytes("content \($0)")) })
            try body(scenario, folder)
        }
    }

    private func words(_ store: String, _ inventory: String) -> [String] {
        ["init", store, "--bucket", "s3://bucket", "--inventory", inventory]
    }

    private func writeHangingProgram(_ scenario: Scenario) throws {
        try Files.createDirectory("\(scenario.directory)/.aws")
        // It starts another program, as scripts do.
        try Files.replace(
            "\(scenario.directory)/.aws/config",
            with: bytes(
                """
                [profile slow]
                credential_process = sh -c 'sleep 987 & echo $! > \(scenario.directory)/pid; wait'

                """))
    }

    @Test(arguments: [true, false])
    func aProgramThatPrintsNoCredentialsIsEndedAndNamed(isLocal: Bool) throws {
        try use { scenario, folder in
            try writeHangingProgram(scenario)
            let began = MonotonicClock.milliseconds()
            let inventory = isLocal ? folder.url : "s3://bucket-inventories/all/"
            let run = try scenario.run(words(scenario.store, inventory) + ["--profile", "slow"])
            #expect(Int64(MonotonicClock.milliseconds() - began) < Patience.milliseconds(10_000))
            #expect(run.status == 0 && run.stderr.contains("the credential_process of profile 'slow'"), "\(run)")
            // It is not the inventory's fault.
            #expect(!run.stderr.contains("could not be looked at"), "\(run)")
            #expect(run.stderr.contains("it lists 9 versions") == isLocal, "\(run)")
            #expect(run.stderr.contains("was not looked at, for want of credentials") == !isLocal, "\(run)")
            try expectEnded(scenario)
        }
    }

    @Test func ctrlCEndsTheProgramToo() throws {
        try use { scenario, _ in
            try writeHangingProgram(scenario)
            let process = try scenario.start(
                words(scenario.store, "s3://bucket-inventories/all/") + ["--profile", "slow"])
            #expect(Clock.wait(seconds: 30) { Files.size("\(scenario.directory)/pid") ?? 0 > 0 })
            process.kill(SIGINT)
            let run = try process.wait(seconds: 5)
            #expect(run.status == 1 && !Files.exists(scenario.store), "\(run)")
            try expectEnded(scenario)
        }
    }

    private func expectEnded(_ scenario: Scenario) throws {
        let text = String(decoding: try Files.read("\(scenario.directory)/pid", limit: 100), as: UTF8.self)
        let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        let isGone = Clock.wait(seconds: 5) {
            let state = (try? Files.read("/proc/\(pid)/stat", limit: 4096)).map { String(decoding: $0, as: UTF8.self) }
            return state.map { $0.contains(") Z ") } ?? true
        }
        #expect(isGone, "process \(pid) goes on")
        if !isGone { kill(pid, SIGKILL) }
    }

    @Test func theStoresOwnFilesAreCounted() throws {
        try use { scenario, folder in
            try scenario.withDisk(.tmpfs(kibibytes: 64 << 10, inodes: 270)) { point in
                let run = try scenario.run(words("\(point)/store", folder.url))
                #expect(run.stderr.contains("a sync needs ") && run.stderr.contains(" inodes free"), "\(run)")
            }
            try scenario.withDisk(.tmpfs(kibibytes: 64 << 10, inodes: 400)) { point in
                let run = try scenario.run(words("\(point)/store", folder.url))
                #expect(run.status == 0 && !run.stderr.contains("a sync needs"), "\(run)")
            }
        }
    }

    @Test(arguments: ["blobs", "tmp", "index.sqlite"])
    func aLinkInPlaceOfAPartOfTheStoreStopsInit(part: String) throws {
        try use { scenario, folder in
            let elsewhere = "\(scenario.directory)/elsewhere"
            try Files.createDirectory(elsewhere)
            try Files.createDirectory(scenario.store)
            symlink(elsewhere, "\(scenario.store)/\(part)")
            let run = try scenario.run(words(scenario.store, folder.url))
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("'\(scenario.store)/\(part)' is a symbolic link"), "\(run)")
            #expect(try Files.names(in: elsewhere).isEmpty)
            #expect(!Files.exists("\(scenario.store)/icecore.json"))
        }
    }
}
