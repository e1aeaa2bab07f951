import Basics
import Foundation
import Testbed
import Testing

/// What `status` says of a store as a whole.
@Suite struct StatusTests {
    typealias Row = InventoryFolder.Row
    private let good = Row("good", bytes("good content"))
    private let cold = Row("cold\tone", bytes("cold content")).with { $0.storageClass = "GLACIER" }

    private func record(_ scenario: Scenario) throws -> [String: Any] {
        try #require(try scenario.succeed("status", "--json").records.first)
    }

    @Test func whatIsMissingIsCountedLikeItsBytes() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<2).map { Row("key/\($0)", bytes("content \($0)")) }
            try scenario.add("2024-03-02T01-00Z", [good] + rows)
            let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            try scenario.server.can(scenario.target(rows[0]), .init(status: 403, body: denied))
            try scenario.server.can("/bucket/\(rows[0].key)", .init(status: 403, body: denied))
            var faults = FaultServer.Faults()
            faults.alwaysWrong = [scenario.target(rows[1])]
            try scenario.server.set(faults)
            #expect(try scenario.run("sync").status == 3)
            let status = try record(scenario)
            #expect(status["missing"] as? Int == 1 && status["missingBytes"] as? Int == 9, "\(status)")
            #expect(status["refused"] as? Int == 1 && status["refusedBytes"] as? Int == 9, "\(status)")
        }
    }

    @Test func archivedObjectsCanBeListed() throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [good, cold])
            try scenario.succeed("sync")
            let list = try scenario.succeed("status", "--list", "archived")
            #expect(list.text == "cold\tone (version \(cold.versionId)): 12 B of 2024-03-01T00:00:00Z\n", "\(list)")
            let json = try scenario.succeed("status", "--list", "archived", "--json").record
            #expect(json["key"] as? String == cold.key && json["versionId"] as? String == cold.versionId)
            #expect(json["state"] as? String == "archived" && json["size"] as? Int == 12)
            for state in ["missing", "refused", "gone", "pruned"] {
                #expect(try scenario.succeed("status", "--list", state).stdout.isEmpty)
            }
            #expect(try scenario.run("status", "--list", "archived", "--failures").status == 64)
        }
    }

    @Test func anInventoryThatIsLateIsPointedOut() throws {
        func name(_ days: Int) -> String {
            let time = Timestamp(milliseconds: Timestamp.now().milliseconds - Int64(days) * 86_400_000).rfc3339
            return "\(time.prefix(10))T01-00Z"
        }
        try Scenario.withBucket { scenario in
            for days in [30, 29, 28] { try scenario.add(name(days), [good]) }
            try scenario.succeed("sync", "--from", name(30), "--to", name(28))
            let late = try scenario.succeed("status")
            #expect(late.text.contains("warning:    the newest inventory is"), "\(late)")
            #expect(late.text.contains("come every 24 h"), "\(late)")
            #expect(try record(scenario)["inventoryIsLate"] as? Bool == true)
            try scenario.add(name(1), [good])
            try scenario.succeed("sync")
            let fresh = try scenario.succeed("status")
            #expect(!fresh.text.contains("warning:"), "\(fresh)")
            #expect(try record(scenario)["inventoryIsLate"] as? Bool == false)
        }
    }

    @Test func theLastRunIsToldFromTheLastSync() throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [good])
            try scenario.succeed("sync")
            let first = try record(scenario)
            #expect(try scenario.run("sync", "--date", "2025-01-01").status == 1)
            let second = try record(scenario)
            #expect(first["lastSync"] as? String == second["lastSync"] as? String)
            #expect(first["lastRun"] as? String != second["lastRun"] as? String)
            #expect(second["lastRunCommand"] as? String == "icecore sync")
            let status = try scenario.succeed("status")
            #expect(status.text.contains("last sync:  "), "\(status)")
            #expect(status.text.contains("('icecore sync', ended at"), "\(status)")
        }
    }
}
