import Basics
import Foundation
import Testbed
import Testing

/// Inventories of which something is not there: not yet, as in a mirror that is being updated, or no longer.
@Suite struct IncompleteInventoryTests {
    typealias Row = InventoryFolder.Row

    private static let names = ["2024-03-01T01-00Z", "2024-03-02T01-00Z", "2024-03-03T01-00Z"]
    private static let newest = names[2]

    /// What can be missing of an inventory, by the path below the folder of all inventories.
    private static let files = [
        "\(newest)/manifest.json", "\(newest)/manifest.checksum", "data/\(newest)-0.csv.gz",
    ]

    private func row(_ number: Int) -> Row { Row("key \(number)", bytes("content \(number)")) }

    /// Three inventories, each with one key more.
    private func addAll(_ scenario: Scenario) throws {
        for (number, name) in Self.names.enumerated() { try scenario.add(name, (0...number).map(row)) }
    }

    private func snapshots(_ scenario: Scenario) throws -> [String] {
        try scenario.succeed("snapshots", "--json").records.compactMap { $0["name"] as? String }
    }

    @Test(arguments: files)
    func theNewestCompleteInventoryIsTakenAndTheOtherNamed(missing: String) throws {
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            let path = "\(scenario.folder.path)/\(missing)"
            let content = try Files.read(path, limit: 1 << 20)
            try Files.remove(path)
            for wasKnown in [false, true] {
                let run = try scenario.succeed("sync", "--json")
                #expect(
                    try run.record["name"] as? String == Self.names[1] && run.record["wasKnown"] as? Bool == wasKnown)
                #expect(run.complaints.count == 1, "\(run)")
                #expect(
                    run.stderr.contains(Self.newest) && run.stderr.contains(URL(filePath: missing).lastPathComponent))
            }
            #expect(try snapshots(scenario) == [Self.names[1]])

            // One that is asked for by its name is not replaced by another.
            let before = try StoreDigest.of(scenario.store)
            let named = try scenario.run("sync", "--date", Self.newest)
            #expect(named.status == 1 && named.complaints.count == 1, "\(named)")
            #expect(named.stderr.contains(URL(filePath: missing).lastPathComponent))
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)

            // Once it is complete, it is taken.
            try Files.replace(path, with: content)
            let later = try scenario.succeed("sync", "--json")
            #expect(try later.record["name"] as? String == Self.newest && later.complaints.isEmpty, "\(later)")
        }
    }

    @Test func withoutAnyCompleteInventoryTheSyncFails() throws {
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            for name in Self.names { try Files.remove("\(scenario.folder.path)/\(name)/manifest.checksum") }
            let run = try scenario.run("sync")
            #expect(run.status == 1 && run.stdout.isEmpty, "\(run)")
            #expect(run.complaints.last?.contains("none of 3 inventories") == true, "\(run)")
            #expect(try snapshots(scenario).isEmpty)
        }
    }

    /// Ways in which an inventory of a range cannot be used, without a word against the store.
    private static let ways = ["manifest.checksum", "list file", "Avro", "ETag column", "time"]

    private func spoil(_ scenario: Scenario, _ way: String) throws {
        let first = Self.names[0]
        switch way {
        case "manifest.checksum": try Files.remove("\(scenario.folder.path)/\(first)/manifest.checksum")
        case "list file": try Files.remove("\(scenario.folder.path)/data/\(first)-0.csv.gz")
        case "Avro":
            try scenario.folder.write(
                first, [row(0)], spoilManifest: { $0 = $0.replacing("\"CSV\"", with: "\"Avro\"") })
        case "ETag column":
            try scenario.folder.write(first, [row(0)], columns: InventoryFolder.columns.filter { $0 != "ETag" })
        default:
            try scenario.folder.write(
                first, [row(0)], spoilManifest: { $0 = $0.replacing("\"17", with: "\"1") })
        }
    }

    @Test(arguments: ways)
    func aRangePassesOverWhatCannotBeUsedAndSyncsTheOthers(way: String) throws {
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            try spoil(scenario, way)
            for options in [["--dry-run"], []] {
                let run = try scenario.run(
                    ["sync", "--store", scenario.store, "--json", "--from", Self.names[0], "--to", Self.newest]
                        + options)
                #expect(run.status == 3, "\(run)")
                #expect(try run.records.compactMap { $0["name"] as? String } == Array(Self.names[1...]), "\(run)")
                #expect(run.complaints.count == 2, "\(run)")
                #expect(run.complaints.first?.contains("\(Self.names[0]) is passed over") == true, "\(run)")
                #expect(run.complaints.last?.contains("1 inventor") == true, "\(run)")
            }
            #expect(try snapshots(scenario) == Array(Self.names[1...]))
            // Alone it is an error.
            for words in [["--date", Self.names[0]], ["--from", "2024-03-01", "--to", "2024-03-01"]] {
                let alone = try scenario.run(["sync", "--store", scenario.store] + words)
                #expect(alone.status == 1 && alone.stdout.isEmpty, "\(alone)")
            }
        }
    }

    /// What is wrong with the store's own data, or with the inventory's, ends a range.
    @Test(arguments: ["damaged", "other bucket"])
    func aRangeStopsAtWhatIsDamagedOrContradictsTheStore(way: String) throws {
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            if way == "damaged" {
                let list = "\(scenario.folder.path)/data/\(Self.names[1])-0.csv.gz"
                try Scenario.change(list) { $0[$0.count / 2] ^= 1 }
            } else {
                try scenario.folder.write(
                    Self.names[1], [row(0)],
                    spoilManifest: {
                        $0 = $0.replacing("\"sourceBucket\": \"bucket\"", with: "\"sourceBucket\": \"other\"")
                    }
                )
            }
            let run = try scenario.run("sync", "--from", Self.names[0], "--to", Self.newest)
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(try snapshots(scenario) == [Self.names[0]])
        }
    }
}
