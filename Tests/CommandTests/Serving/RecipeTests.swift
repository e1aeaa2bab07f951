import Basics
import Foundation
import Testbed
import Testing

/// What docs/RECIPES.md says works: Tests/clients/recipes.py runs it and compares what it prints.
@Suite struct RecipeTests {
    @Test func whatTheRecipesSayWorks() throws {
        try Scenario.withBucket { scenario in
            func recipes(_ words: String...) throws -> [String: Any] {
                // The program under its own name, which the recipes call, and aws.
                let bin = "\(scenario.directory)/bin"
                let run = try scenario.client(
                    "\(Testbed.root)/.build/readers-venv/bin/python3",
                    ["\(Testbed.root)/Tests/clients/recipes.py"] + words,
                    environment: ["PATH": "\(bin):/usr/bin:/bin:/usr/sbin:/sbin"], seconds: Patience.seconds(300))
                try #require(run.status == 0, "\(run)")
                return try run.record
            }
            try Files.createDirectory("\(scenario.directory)/bin")
            for (name, path) in [
                ("icecore", scenario.program), ("aws", "\(Testbed.root)/.build/testbed-venv/bin/aws"),
            ] {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(scenario.directory)/bin/\(name)", withDestinationPath: path)
            }
            let files = "\(scenario.directory)/files"
            _ = try recipes("write", files)
            let names = ["2026-03-15T01-00Z", "2026-06-01T01-00Z"]
            var rows: [InventoryFolder.Row] = []
            for (state, day) in zip(["1", "2"], ["2026-03-10T12:00:00.000Z", "2026-05-20T12:00:00.000Z"]) {
                for place in rows.indices { rows[place].isLatest = false }
                for path in try StoreDigest.files("\(files)/\(state)") {
                    let content = try Files.read("\(files)/\(state)/\(path)", limit: 1 << 24)
                    rows.append(
                        InventoryFolder.Row(path, content, versionId: "\(state)-\(rows.count)", at: day))
                }
                try scenario.add(names[state == "1" ? 0 : 1], rows)
            }
            for name in names { try scenario.succeed("sync", "--date", name) }
            let served = try scenario.serve()
            scenario.noteMount("\(scenario.directory)/old")
            let result = try recipes(
                "run", "\(Testbed.root)/docs/RECIPES.md", served.endpoint, Scenario.bucket, scenario.store)
            #expect((result["wrong"] as? [Any])?.isEmpty == true, "\(result)")
            #expect(result["count"] as? Int == 8)
        }
    }
}
