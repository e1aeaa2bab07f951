import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// Inventories in Parquet and ORC say the same as those in CSV.
@Suite struct InventoryFormatTests {
    /// Everything that a store says about its past.
    private func answers(_ scenario: Scenario, _ store: String, _ life: HistoryScenario) throws -> [[UInt8]] {
        var answers: [[UInt8]] = []
        for inventory in life.inventories {
            answers.append(
                try scenario.run(["ls", "-R", "--json", "--at", inventory.name, "--store", store]).stdout)
        }
        for instant in HistoryScenario.interestingInstants(try life.history()).prefix(6) {
            answers.append(
                try scenario.run(["ls", "-R", "--json", "--at", instant.rfc3339, "--store", store]).stdout)
        }
        let keys = try life.history().keys.filter { !$0.bytes.contains(0) && !$0.string.hasPrefix("-") }
        for key in keys {
            answers.append(try scenario.run(["versions", "--json", "--store", store, "--", key.string]).stdout)
        }
        return answers
    }

    @Test(arguments: [6, 7] as [UInt64])
    func theSameHistoryIsTheSameIndexInEveryFormat(seed: UInt64) throws {
        let life = HistoryScenario(seed: seed, withNUL: seed % 3 == 1)
        try Scenario.use { scenario in
            let csv = "\(scenario.directory)/csv"
            try life.writeInventories(to: csv)
            var expected: [[UInt8]]?
            for format in ["csv", "parquet", "orc"] {
                let place = "\(scenario.directory)/\(format)"
                if format != "csv" { try ColumnarReports.write(csv, to: place, format, seed: seed) }
                let store = "\(scenario.directory)/\(format).store"
                let made = try scenario.run([
                    "init", store, "--bucket", "s3://\(life.bucket.name)", "--inventory", "file://\(place)",
                ])
                try #require(made.status == 0, "\(made)")
                let sync = try scenario.run([
                    "sync", "--metadata-only", "--from", "2000-01-01", "--to", "2100-01-01", "--store", store,
                ])
                try #require(sync.status == 0, "\(sync)")
                let said = try answers(scenario, store, life)
                if let expected {
                    #expect(said == expected, "seed \(seed), \(format)")
                } else {
                    #expect(said.contains { $0.count > 100 })
                    expected = said
                }
                // What was kept is all that an index is made of.
                let reindex = try scenario.run(["reindex", "--store", store])
                try #require(reindex.status == 0, "\(reindex)")
                #expect(try answers(scenario, store, life) == said, "seed \(seed), \(format), reindexed")
                let verify = try scenario.run(["verify", "--store", store])
                #expect(verify.status == 0, "\(verify)")
            }
        }
    }

    /// Keys in columnar formats are not URL-encoded, whatever they look like.
    @Test(arguments: ["parquet", "orc"])
    func keysAreWhatTheyAre(format: String) throws {
        try Scenario.withBucket { scenario in
            let keys = ["a+b", "a b", "%41", "%2F", "x/%zz", "100%", "ü/+"]
            let rows = keys.enumerated().map { InventoryFolder.Row($1, bytes("content \($0)")) }
            try scenario.add("2024-03-02T01-00Z", rows)
            let folder = scenario.folder.path
            try ColumnarReports.write(folder, to: folder, format, seed: 1)
            try scenario.succeed("sync")
            let listed = try scenario.succeed("ls", "-R", "--json").records.compactMap { $0["key"] as? String }
            #expect(Set(listed) == Set(keys))
            for row in rows {
                let cat = try scenario.run(["cat", "--store", scenario.store, "--", row.key])
                #expect(cat.stdout == row.content, "\(row.key): \(cat)")
            }
        }
    }

    /// As reports made by AWS's console are.
    @Test(arguments: ["parquet", "orc"])
    func withoutETagsOnlyMetadataIsSynced(format: String) throws {
        try Scenario.withBucket { scenario in
            let rows = [InventoryFolder.Row("a", bytes("1")), InventoryFolder.Row("b", bytes("22"))]
            let folder = scenario.folder
            try folder.write("2024-03-02T01-00Z", rows, columns: InventoryFolder.columns.filter { $0 != "ETag" })
            try ColumnarReports.write(folder.path, to: folder.path, format, seed: 2)
            let refused = try scenario.run("sync")
            #expect(refused.status == 1 && refused.stderr.contains("lack the column 'ETag'"), "\(refused)")
            #expect(refused.stderr.contains("--list") && refused.stderr.contains("--metadata-only"), "\(refused)")
            try scenario.succeed("sync", "--metadata-only")
            let sizes = try scenario.succeed("ls", "--json").records.compactMap { $0["size"] as? Int }
            #expect(sizes == [1, 2])
        }
    }

    @Test(arguments: ["parquet", "orc"], ["Size", "LastModifiedDate"])
    func withoutAColumnThatIsNeededBothWaysOutAreNamed(format: String, column: String) throws {
        try Scenario.withBucket { scenario in
            let rows = [InventoryFolder.Row("a", bytes("1"))]
            let folder = scenario.folder
            try folder.write("2024-03-02T01-00Z", rows, columns: InventoryFolder.columns.filter { $0 != column })
            try ColumnarReports.write(folder.path, to: folder.path, format, seed: 2)
            let refused = try scenario.run("sync", "--metadata-only")
            #expect(refused.status == 1 && refused.stderr.contains("lacks the column '\(column)'"), "\(refused)")
            #expect(refused.stderr.contains("--list") && refused.stderr.contains("add the field"), "\(refused)")
        }
    }
}
