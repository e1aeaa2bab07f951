import Basics
import Foundation
import Testbed
import Testing

/// Settings that `sync` is told are remembered once the sync goes on, and not if it is refused.
@Suite struct RefusedSettingTests {
    typealias Row = InventoryFolder.Row
    private static let options = [["--distrust-etags"], ["--etags", "opaque"], ["--keep-inventories", "1"]]
    private let rows = (0..<10).map { Row("key/\($0)", bytes("content \($0)")) }

    private func settings(_ scenario: Scenario) throws -> [UInt8] {
        try Files.read("\(scenario.store)/icecore.json", limit: 1 << 20)
    }

    @Test(arguments: options)
    func aRefusedSyncRemembersNothing(option: [String]) throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", rows)
            try scenario.succeed("sync")
            let before = try settings(scenario)
            func expectRefusal(_ words: String..., sourceLocation: SourceLocation = #_sourceLocation) throws {
                let run = try scenario.run(["sync", "--store", scenario.store] + option + words)
                #expect(run.status == 1, "\(run)", sourceLocation: sourceLocation)
                #expect(try settings(scenario) == before, sourceLocation: sourceLocation)
            }
            try expectRefusal("--date", "2024-05-05")
            try scenario.folder.write("2024-03-03T01-00Z", Array(rows.prefix(2)))
            try expectRefusal("--strict")
            try scenario.folder.write("2024-03-04T01-00Z", rows + [Row("huge", []).with { $0.size = "\(1 << 55)" }])
            try expectRefusal()
            try scenario.folder.write("2024-03-05T01-00Z", rows, spoilText: { $0 = "not a row\n" })
            try expectRefusal()
            _ = try scenario.run(["sync", "--store", scenario.store, "--dry-run", "--date", "2024-03-02"] + option)
            #expect(try settings(scenario) == before)
        }
    }

    @Test(arguments: options, [false, true])
    func aSyncThatGoesOnRemembersThem(option: [String], isKnown: Bool) throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", rows)
            if isKnown { try scenario.succeed("sync") }
            let before = try settings(scenario)
            let run = try scenario.run(["sync", "--store", scenario.store] + option)
            #expect(run.status == 0, "\(run)")
            #expect(try settings(scenario) != before)
            try scenario.succeed("verify")
        }
    }

    /// What is stored under a version's name must not be met by a program that knows nothing of that.
    @Test func distrustIsWrittenDownBeforeTheFirstContentArrives() throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", rows)
            var faults = FaultServer.Faults()
            faults.alwaysFail = [scenario.target(rows[9])]
            try scenario.server.set(faults)
            let process = try scenario.start(["sync", "--store", scenario.store, "--distrust-etags"])
            let hasCome = Clock.wait(seconds: 60) { (try? scenario.server.statistics().requests > 5) ?? false }
            #expect(hasCome)
            process.kill(SIGKILL)
            _ = try process.wait()
            #expect(String(decoding: try settings(scenario), as: UTF8.self).contains("distrustETagsSince"))
        }
    }
}
