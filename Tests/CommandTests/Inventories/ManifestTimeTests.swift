import Basics
import Foundation
import Testbed
import Testing

/// `creationTimestamp`s in other units than AWS's.
@Suite struct ManifestTimeTests {
    private static let name = "2026-03-15T01-00Z"
    private static let rows = [
        InventoryFolder.Row("key", bytes("content"), at: "2026-03-01T00:00:00.000Z")
    ]

    /// Writes the inventory with another text in place of its milliseconds.
    private func write(_ scenario: Scenario, creationTimestamp text: String) throws {
        let taken = try InventoryFolder.takenAt(Self.name)
        try scenario.folder.write(
            Self.name, Self.rows, spoilManifest: { $0 = $0.replacing("\"\(taken.milliseconds)\"", with: text) })
        try scenario.server.add(Scenario.bucket, Self.rows)
    }

    @Test(arguments: ["\"1773536400\"", "1773536400", "\"1773536400000000\"", "1773536400000000000", "\"1773536460\""])
    func otherUnitsAreTakenForWhatTheFoldersNameSays(text: String) throws {
        try Scenario.withBucket { scenario in
            try write(scenario, creationTimestamp: text)
            try scenario.succeed("sync")
            let snapshot = try scenario.succeed("snapshots", "--json").record
            let minute = text.contains("1773536460") ? "01" : "00"
            #expect(snapshot["takenAt"] as? String == "2026-03-15T01:\(minute):00Z")
            #expect(try scenario.succeed("cat", "key", "--at", "2026-03-10").text == "content")
            // The store's own copy is read in the same way.
            #expect(try scenario.findings(status: 0).isEmpty)
            try scenario.succeed("reindex")
            #expect(
                try scenario.succeed("snapshots", "--json").record["takenAt"] as? String
                    == "2026-03-15T01:\(minute):00Z")
        }
    }

    @Test(arguments: [
        ("0", "1970-01-01T00:00:00Z"), ("-1773536400000", "no date"), ("\"4102444800000\"", "2100-01-01T00:00:00Z"),
        ("1742000400", "2025-03-15T01:00:00Z"), ("9223372036854775807", "no date"), ("-9223372036854775808", "no date"),
    ])
    func aTimeThatFitsNoUnitIsRefusedWithBothReadings(text: String, reading: String) throws {
        try Scenario.withBucket { scenario in
            try write(scenario, creationTimestamp: text)
            let run = try scenario.run("sync")
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            for part in [
                "creationTimestamp", "milliseconds", "seconds", reading, "2026-03-15T01:00:00Z",
                "\(Self.name)/manifest.json",
            ] { #expect(run.stderr.contains(part), "it should say '\(part)': \(run)") }
            #expect(try scenario.succeed("snapshots", "--json").stdout.isEmpty)
        }
    }
}
