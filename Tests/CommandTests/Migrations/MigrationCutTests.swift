import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// A migration that is killed, or whose power is cut, at any point: the index is as it was or as it will be, and the next
/// command goes on.
@Suite struct MigrationCutTests {
    typealias Row = InventoryFolder.Row

    private static let points = PowerCut.isSoak ? 60 : 6

    @Test func killsLoseNoHeaders() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<1500).map { Row("d\($0 % 7)/key/\($0)", bytes("content \($0)")) }
            try scenario.folder.write("2024-03-02T01-00Z", rows)
            try scenario.succeed("sync", "--metadata-only")
            let saved = "\(scenario.directory)/saved"
            try EarlierFormat.bringBack(scenario.store)
            let before = try scenario.succeed("ls", "-R", "--json").stdout
            try Files.rename(scenario.store, saved)
            func restore() throws {
                if Files.exists(scenario.store) { try FileManager.default.removeItem(atPath: scenario.store) }
                try FileManager.default.copyItem(atPath: saved, toPath: scenario.store)
            }
            let words = ["sync", "--store", scenario.store, "--metadata-only"]
            func expectFinished(_ moment: String) throws {
                let run = try scenario.run(words)
                #expect(run.status == 0, "\(moment): \(run)")
                let count = try EarlierFormat.count(scenario.store)
                #expect(count.right == 1500 && count.wrong == 0, "\(moment): \(count)")
                #expect(try scenario.succeed("ls", "-R", "--json").stdout == before, "\(moment)")
            }

            try restore()
            let count = "\(scenario.directory)/count"
            let whole = try scenario.run(words, environment: FaultShim.environment(["FAULT_COUNT": count]))
            #expect(whole.status == 0 && whole.stderr.contains("new format"), "\(whole)")
            let calls = try #require(Int(String(decoding: try Files.read(count, limit: 100), as: UTF8.self).dropLast()))
            try expectFinished("undisturbed")
            var killed = 0
            for point in 0..<Self.points {
                try restore()
                let call = 1 + point * (calls - 1) / Self.points
                let run = try scenario.run(words, environment: FaultShim.environment(["FAULT_KILL": "\(call)"]))
                killed += run.status == 128 + SIGKILL ? 1 : 0
                let moment = "killed at call \(call) of \(calls)"
                #expect(try scenario.succeed("ls", "-R", "--json").stdout == before, "\(moment)")
                let record = try scenario.succeed("versions", "--json", "d0/key/0").record
                #expect(record["headers"] as? [String: String] != nil, "\(moment): \(record)")
                try expectFinished(moment)
            }
            #expect(killed * 10 >= Self.points * 9, "\(killed)")
            print("kill -9 of a migration: \(killed) at \(Self.points) points; no header lost")
        }
    }

    @Test func aPowerCutLosesNoHeaders() throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...0)
            let before = try cut.state()
            try EarlierFormat.bringBack(cut.scenario.store)
            let known = try cut.scenario.succeed("versions", "--json", "large/0").text
            #expect(known.contains("text/x-"), "\(known)")
            #expect(try cut.state() == before)
            let start = try cut.disk().copy
            // The server would say otherwise of what it is asked for.
            let options = ["--date", PowerCut.names[1], "--headers", "none"] + PowerCut.chunks
            let words = ["sync", "--store", cut.scenario.store] + options
            let trace = try cut.record(words)
            var promise = PowerCut.Promise(before: before, after: try cut.state(), next: [words])
            promise.more = {
                let known = try cut.scenario.succeed("versions", "--json", "large/0").text
                return known.contains("text/x-") ? [] : ["headers are lost: \(known)"]
            }
            let complaints = try cut.cut(trace, start, points: Self.points, seed: 8) { try cut.look(promise, $0) }
            for complaint in complaints.prefix(10) { Issue.record("\(complaint)") }
            print("power cuts in a migration: \(Self.points) points, \(complaints.count) complaints")
        }
    }
}
