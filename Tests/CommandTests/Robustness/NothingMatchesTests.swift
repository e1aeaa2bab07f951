import Basics
import Foundation
import Testbed
import Testing

/// What people see who ask for keys that are not there.
@Suite struct NothingMatchesTests {
    typealias Row = InventoryFolder.Row
    private static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z"]

    private func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], [Row("data/a", bytes("a"))])
            try scenario.add(Self.names[1], [Row("data/a", bytes("a")), Row("data/b", bytes("b"))])
            for name in Self.names { try scenario.succeed("sync", "--date", name) }
            try body(scenario)
        }
    }

    @Test(arguments: ["/data", "/data/", "./data", "s3://bucket/data", "//data/a"])
    func aPathInPlaceOfAPrefixIsSaidToBeOne(prefix: String) throws {
        try use { scenario in
            let target = "\(scenario.directory)/target"
            for words in [
                ["ls", prefix], ["ls", "-R", prefix], ["diff"] + Self.names + [prefix],
                ["export", target, "--prefix", prefix], ["export", target, "--prefix", prefix, "--dry-run"],
            ] {
                let run = try scenario.run(words + ["--store", scenario.store])
                #expect(run.status == 0, "\(run)")
                #expect(run.stderr.contains("nothing matches: no key begins with '\(prefix)'"), "\(run)")
                #expect(run.stderr.contains("did you mean 'data"), "\(run)")
            }
        }
    }

    @Test func whatIsNotThereIsSaidNotToBeThere() throws {
        try use { scenario in
            for prefix in ["other", "/other"] {
                let run = try scenario.succeed("ls", prefix)
                #expect(run.text.isEmpty && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains("nothing matches") && !run.stderr.contains("did you mean"), "\(run)")
                #expect(run.stderr.contains("begin without '/'") == prefix.hasPrefix("/"), "\(run)")
                let json = try scenario.succeed("ls", "--json", prefix)
                #expect(json.text.isEmpty && json.stderr.isEmpty, "\(json)")
            }
            // Keys that are there and do not differ are something else.
            let same = try scenario.succeed("diff", Self.names[0], Self.names[1], "data/a")
            #expect(same.text.isEmpty && !same.stderr.contains("nothing matches"), "\(same)")
            for command in ["cat", "versions"] {
                let run = try scenario.run(command, "/data/a")
                #expect(run.status == 1 && run.stderr.contains("did you mean 'data/a'?"), "\(run)")
            }
        }
    }

    @Test func aFilterThatMatchesNoKeyIsSaidTo() throws {
        try use { scenario in
            let rows = [Row("data/c", bytes("c"))]
            try scenario.add("2024-03-04T01-00Z", rows)
            for filter in ["^/data", "nonsense"] {
                let run = try scenario.succeed("sync", "--filter", filter)
                #expect(run.stderr.contains("nothing matches: the filter '\(filter)'"), "\(run)")
                #expect(run.stderr.contains("begin without '/'") == (filter == "^/data"), "\(run)")
            }
            for _ in 0..<2 {
                let run = try scenario.succeed("sync", "--filter", "^data/")
                #expect(run.stderr.isEmpty, "\(run)")
            }
        }
    }
}
