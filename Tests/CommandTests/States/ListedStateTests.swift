import Basics
import Foundation
import Testbed
import Testing

/// What `ls` and `snapshots` say of contents that are not in the store.
@Suite struct ListedStateTests {
    typealias Row = InventoryFolder.Row
    private static let name = "2024-03-02T01-00Z"

    @Test func aLetterSaysThatAContentIsNotHere() throws {
        try Scenario.withBucket { scenario in
            let rows = [
                Row("cold", bytes("cold")).with { $0.storageClass = "GLACIER" }, Row("empty", []),
                Row("here", bytes("here")), Row("left/out", bytes("out")), Row("lost", bytes("lost")),
                Row("taken", bytes("taken")), Row("unreachable", bytes("unreachable")),
            ]
            try scenario.add(Self.name, rows)
            try scenario.server.can(
                scenario.target(rows[4]), .init(status: 404, body: "<Error><Code>NoSuchVersion</Code></Error>"))
            for target in [scenario.target(rows[5]), "/bucket/taken"] {
                try scenario.server.can(target, .init(status: 403, body: "<Error><Code>AccessDenied</Code></Error>"))
            }
            var faults = FaultServer.Faults()
            faults.alwaysWrong = [scenario.target(rows[6])]
            try scenario.server.set(faults)
            let sync = try scenario.run("sync", "--filter", "^[^/]*$")
            #expect(sync.status == 3, "\(sync)")
            let expected = [
                "cold": "A", "empty": " ", "here": " ", "left/out": "-", "lost": "G", "taken": "R", "unreachable": "M",
            ]
            let list = try scenario.succeed("ls", "-lR")
            var seen: [String: String] = [:]
            for line in list.text.split(separator: "\n") {
                let match = try #require(line.firstMatch(of: /^ +\d+  [0-9:T.-]+Z  ([ A-Z-]) (.+)$/), "\(line)")
                seen[String(match.2)] = String(match.1)
            }
            #expect(seen == expected, "\(list)")
            let words = [
                "cold": "archived", "here": "present", "left/out": "unrequested", "lost": "gone", "taken": "refused",
                "unreachable": "missing",
            ]
            for record in try scenario.succeed("ls", "-lR", "--json").records {
                let key = try #require(record["key"] as? String)
                if key != "empty" { #expect(record["state"] as? String == words[key], "\(record)") }
            }
            // Without -l, records say what the inventory says, so that a view is the same however much of it is here.
            #expect(try scenario.succeed("ls", "-R", "--json").records.allSatisfy { $0["state"] == nil })
            let snapshots = try scenario.succeed("snapshots")
            #expect(snapshots.text.hasSuffix("  2 missing, 1 archived, 1 gone\n"), "\(snapshots)")
            // What is above is in the same column as what it holds.
            let short = try scenario.succeed("ls", "-l")
            let columns = Set(
                short.text.split(separator: "\n").map { $0.count - ($0.split(separator: " ").last ?? "").count })
            #expect(columns.count == 1, "\(short)")
        }
    }
}
