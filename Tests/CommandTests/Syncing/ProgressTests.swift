import Basics
import Foundation
import Testbed
import Testing

/// What people see of a sync while it runs, and what it says in the end.
@Suite struct ProgressTests {
    typealias Row = InventoryFolder.Row

    /// A sync that takes some seconds.
    private func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<60).map { Row("key \($0)", [UInt8](repeating: UInt8($0), count: 20_000)) }
            try scenario.add("2024-03-02T01-00Z", rows)
            try body(scenario)
        }
    }

    /// Runs a sync on a terminal of so many columns; all that came out.
    private func onTerminal(_ scenario: Scenario, columns: Int) throws -> String {
        let program = scenario.program
        let script = "stty cols \(columns); exec '\(program)' sync --store '\(scenario.store)' --limit-rate 250K"
        let output = "\(scenario.directory)/typescript"
        let run = try RunningProgram(
            "/usr/bin/script", ["-qefc", script, output].map { Array($0.utf8) },
            environment: scenario.environment.merging(["TERM": "xterm"]) { $1 },
            currentDirectory: scenario.directory, outputs: "\(scenario.directory)/outputs"
        ).wait(seconds: 120)
        try #require(run.status == 0, "\(run)")
        return run.text
    }

    @Test(arguments: [120, 60, 30])
    func aTerminalShowsOneLineThatFits(columns: Int) throws {
        try use { scenario in
            let text = try onTerminal(scenario, columns: columns)
            // Each drawing begins at the left and empties the rest of the line.
            let drawings = text.components(separatedBy: "\r").filter { $0.hasSuffix("\u{1b}[K") }
                .map { String($0.dropLast(3)) }
            #expect(drawings.count > 5, "\(text)")
            for drawing in drawings {
                #expect(drawing.count < columns, "\(drawing)")
                #expect(drawing.unicodeScalars.allSatisfy { $0.value >= 32 }, "\(drawing)")
            }
            #expect(drawings.contains { $0.contains("downloading") && $0.contains("60") })
            if columns == 120 {
                for part in ["of 60 objects", "MiB", "KiB/s", "objects/s", "in flight", "s left", "%"] {
                    #expect(drawings.contains { $0.contains(part) }, "\(part)")
                }
            }
            if columns == 60 { #expect(drawings.contains { $0.contains("left") }, "the time left is worth its room") }
            // The line is gone before the result comes.
            let end = try #require(text.components(separatedBy: "\u{1b}[K").last)
            #expect(end.hasPrefix("2024-03-02T01-00Z: ") && end.hasSuffix("\r\n"), "\(end)")
            let percentages = drawings.filter { $0.contains("downloading") }.compactMap { drawing in
                drawing.firstMatch(of: /downloading (\d+)%/).flatMap { Int($0.1) }
            }
            #expect(percentages == percentages.sorted() && percentages.last ?? 0 > 50, "\(percentages)")
        }
    }

    @Test func elsewhereNoControlCharactersAreWritten() throws {
        try use { scenario in
            for terminal in ["xterm", "dumb"] {
                // More than ten seconds, after which a line is due.
                let run = try scenario.run(
                    ["sync", "--store", scenario.store, "--limit-rate", "100K"], environment: ["TERM": terminal])
                #expect(run.status == 0, "\(run)")
                for text in [run.text, run.stderr] {
                    #expect(text.unicodeScalars.allSatisfy { $0.value >= 32 || $0 == "\n" }, "\(run)")
                }
                guard terminal == "xterm" else { return }
                #expect(!run.complaints.isEmpty && run.complaints.count <= 6, "\(run)")
                #expect(run.complaints.allSatisfy { $0.hasPrefix("downloading ") }, "\(run)")
            }
        }
    }

    @Test func theSummarySaysHowItWent() throws {
        try use { scenario in
            var faults = FaultServer.Faults()
            faults.status500 = 0.15
            try scenario.server.set(faults)
            let run = try scenario.succeed("sync", "--limit-rate", "500K")
            // At that rate it cannot be done sooner.
            let match = run.text.firstMatch(of: /fetched 60 blobs, 1.1 MiB in ([0-9]+) s \(/)
            let seconds = try #require(match.flatMap { Double($0.1) }, "\(run)")
            #expect(seconds >= 2 && seconds <= Patience.seconds(4), "\(run)")
            #expect(run.text.contains("KiB/s") && run.text.contains("objects/s"), "\(run)")
            #expect(run.text.contains("requests retried"), "\(run)")
            // After ten seconds, which only a busy machine needs, a line says how far it is.
            #expect(run.complaints.allSatisfy { $0.hasPrefix("downloading ") }, "\(run)")
        }
    }

    @Test func theSummaryIsOneObjectPerInventory() throws {
        try use { scenario in
            try scenario.add("2024-03-03T01-00Z", [Row("other", bytes("other"))])
            let records = try scenario.succeed("sync", "--json", "--from", "2024-03-01", "--to", "2024-03-04").records
            #expect(records.compactMap { $0["name"] as? String } == ["2024-03-02T01-00Z", "2024-03-03T01-00Z"])
            let numbers = [
                "rows", "keys", "bytes", "newVersions", "goneVersions", "wanted", "wantedBytes", "fetched",
                "fetchedBytes",
                "requests", "retries", "receivedBytes", "downloadMilliseconds", "milliseconds", "gone", "failed",
                "refused", "archived", "archivedBytes", "encrypted", "headersAsked", "headersRefused", "headersFailed",
            ]
            for record in records {
                #expect(Set(record.keys) == Set(numbers + ["name", "dryRun", "wasKnown"]))
                #expect(numbers.allSatisfy { record[$0] is Int })
            }
            #expect(records[0]["requests"] as? Int == 60 && records[0]["receivedBytes"] as? Int == 1_200_000)
            #expect(records[1]["requests"] as? Int == 1 && records[1]["receivedBytes"] as? Int == 5)
        }
    }
}
