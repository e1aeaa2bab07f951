import Basics
import Foundation
import Testbed
import Testing

/// Libraries and programs that read past dates through a server: they get what an export of the date has.
@Suite struct ServeReaderTests {
    typealias Row = InventoryFolder.Row

    /// A bucket with two states of the same files, a day apart.
    private func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            let files = "\(scenario.directory)/files"
            _ = try readers(scenario, ["write", files])
            var rows: [Row] = []
            for (state, day) in zip(["1", "2"], ["2024-03-01T12:00:00.000Z", "2024-03-02T12:00:00.000Z"]) {
                for place in rows.indices { rows[place].isLatest = false }
                for path in try StoreDigest.files("\(files)/\(state)") {
                    let content = try Files.read("\(files)/\(state)/\(path)", limit: 1 << 24)
                    rows.append(Row(path, content, versionId: "\(state)-\(rows.count)", at: day))
                }
                try scenario.add(Scenario.inventoryNames[state == "1" ? 0 : 1], rows)
            }
            for name in Scenario.inventoryNames.prefix(2) { try scenario.succeed("sync", "--date", name) }
            try body(scenario)
        }
    }

    /// Runs the script with what these libraries want, which is not what the test bed's Python has.
    private func readers(_ scenario: Scenario, _ words: [String]) throws -> [String: Any] {
        let run = try scenario.client(
            "\(Testbed.root)/.build/readers-venv/bin/python3",
            ["\(Testbed.root)/Tests/clients/readers.py"] + words, seconds: Patience.seconds(120))
        try #require(run.status == 0, "\(run)")
        return try run.record
    }

    private func expect(_ scenario: Scenario, _ served: ServingProgram) throws {
        let dates = Scenario.inventoryNames.prefix(2).map { "\(Scenario.bucket)--\($0.lowercased())" }
        let seen = try readers(scenario, ["read", served.endpoint, Scenario.bucket] + dates)
        for (bucket, factor) in zip([dates[0], dates[1], Scenario.bucket], [1, 2, 2]) {
            let found = try #require(seen[bucket] as? [String: Any], "\(seen)")
            #expect(found["rows"] as? Int == 2000 && found["sites"] as? [String] == ["north", "south"], "\(found)")
            #expect(found["sum"] as? Int == factor * 2 * 499_500)
            #expect(found["arraySum"] as? Double == Double(factor) * 7_199_940_000)
            #expect(found["corner"] as? Double == Double(factor) * 119_999)
            #expect(found["arrowFiles"] as? Int == found["fsspecFiles"] as? Int)
        }
    }

    @Test func pyarrowAndZarrReadEveryDate() throws {
        try use { scenario in try expect(scenario, scenario.serve()) }
    }

    /// A replica is served as its store is, also after the store is gone.
    @Test(arguments: ["1M", "0"])
    func aReplicaIsServedLikeItsStore(packBelow: String) throws {
        try use { scenario in
            try scenario.succeed("pack", "--below", packBelow)
            let replica = "file://\(scenario.directory)/replica"
            try scenario.succeed("push", replica)
            try FileManager.default.removeItem(atPath: scenario.store)
            try expect(scenario, scenario.serve("--replica", replica, "--cache", "\(scenario.directory)/cache"))
        }
    }

    /// `aws s3 sync` of a date is what `icecore export` makes of it.
    @Test func aSyncOfADateEqualsItsExport() throws {
        try use { scenario in
            let served = try scenario.serve()
            for name in Scenario.inventoryNames.prefix(2) {
                let (export, copy) = ("\(scenario.directory)/export-\(name)", "\(scenario.directory)/copy-\(name)")
                try scenario.succeed("export", export, "--at", name)
                let run = try scenario.client(
                    "aws",
                    [
                        "--endpoint-url", served.endpoint, "s3", "sync", "--no-progress",
                        "s3://\(Scenario.bucket)--\(name.lowercased())", copy,
                    ])
                #expect(run.status == 0, "\(run)")
                let difference = try scenario.client(
                    "/usr/bin/diff", ["-r", "--exclude=.icecore*", export, copy])
                #expect(difference.status == 0, "\(difference)")
            }
        }
    }
}
