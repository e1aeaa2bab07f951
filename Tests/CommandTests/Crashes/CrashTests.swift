import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// Kills at any moment, of every command that writes: nothing of what was there is lost, and once the same command has
/// come to its end, nothing is left of the one that did not.
@Suite struct CrashTests {
    private static let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"

    /// What a command does when nobody kills it.
    private struct Measure {
        /// Calls that change files.
        var calls = 0
        var milliseconds = 0.0
        var requests = 0
    }

    /// What is in files, and what is in packs; how repairs of packs are killed is in `PackVerifyTests`.
    @Test(arguments: [false, true]) func aKilledCommandLosesNothingAndLeavesNothing(isPacked: Bool) throws {
        let goal = Self.isSoak ? 500 : 10
        let commands = CrashCommand.allCases.filter { !isPacked || $0 != .repair }
        try CrashSeries.use(seed: 1, packBelow: isPacked ? "1M" : nil) { crash in
            var random = SplitMix64(seed: 2)
            var measures: [CrashCommand: Measure] = [:]
            for command in commands { measures[command] = try measure(crash, command) }
            var killed: [CrashCommand: Int] = [:]
            var (rounds, kills) = (0, 0)
            while kills < goal {
                // All get their share, in another order each time.
                for command in random.shuffle(commands) where kills < goal {
                    let measure = try #require(measures[command])
                    try crash.prepare(command)
                    let (moment, isKilled) = try kill(crash, command, measure, rounds, &random)
                    rounds += 1
                    kills += isKilled ? 1 : 0
                    killed[command, default: 0] += isKilled ? 1 : 0
                    try crash.expectUnharmed(command, moment)
                    let next = try crash.scenario.run(crash.words)
                    try #require(next.status == 0, "\(moment): \(next)")
                    try crash.expectFinished(command, moment)
                }
                try #require(rounds < 3 * goal, "most commands should have been killed before their end")
            }
            let counts = commands.map { "\($0.rawValue) \(killed[$0, default: 0])" }.joined(
                separator: ", ")
            print("kill -9: \(kills) in \(rounds) rounds (\(counts)); no snapshot lost, nothing left in tmp/")
        }
    }

    /// Runs a command to its end.
    private func measure(_ crash: CrashSeries, _ command: CrashCommand) throws -> Measure {
        try crash.prepare(command)
        try crash.scenario.server.reset()
        let count = "\(crash.scenario.directory)/count"
        let start = Timestamp.now()
        let run = try crash.scenario.run(crash.words, environment: FaultShim.environment(["FAULT_COUNT": count]))
        try #require(run.status == 0, "\(run)")
        var measure = Measure()
        measure.milliseconds = Double(Timestamp.now().milliseconds - start.milliseconds)
        let text = String(decoding: try Files.read(count, limit: 100), as: UTF8.self)
        measure.calls = try #require(Int(text.dropLast()))
        measure.requests = try crash.scenario.server.statistics().requests
        try crash.expectFinished(command, "undisturbed \(command.rawValue)")
        return measure
    }

    /// Starts a command, and kills it somewhere between its beginning and its end; whether it had not ended before.
    private func kill(
        _ crash: CrashSeries, _ command: CrashCommand, _ measure: Measure, _ round: Int, _ random: inout SplitMix64
    ) throws -> (moment: String, isKilled: Bool) {
        let name = "round \(round), \(command.rawValue)"
        // By what it has done, by what it has asked for, by the time that has passed.
        switch random.below(measure.requests > 0 ? 4 : 3) {
        case 0, 1:
            let call = 1 + random.below(measure.calls)
            let run = try crash.scenario.run(
                crash.words, environment: FaultShim.environment(["FAULT_KILL": "\(call)"]))
            return ("\(name) at call \(call) of \(measure.calls)", run.status == 128 + SIGKILL)
        case 2:
            let part = Double(random.below(1000)) / 1000
            let program = try crash.scenario.start(crash.words)
            _ = Clock.wait(seconds: measure.milliseconds / 1000 * part) { program.hasEnded }
            program.kill(SIGKILL)
            return ("\(name) after \(Int(part * 100)) % of its time", try program.wait().status == 128 + SIGKILL)
        default:
            let request = 1 + random.below(measure.requests)
            try crash.scenario.server.reset()
            let program = try crash.scenario.start(crash.words)
            _ = try Clock.wait(seconds: 30) {
                try program.hasEnded || crash.scenario.server.statistics().requests >= request
            }
            program.kill(SIGKILL)
            return ("\(name) at request \(request) of \(measure.requests)", try program.wait().status == 128 + SIGKILL)
        }
    }

    @Test func aKilledPruneLeavesNoPiecesOfWhatItDropped() throws {
        typealias Row = InventoryFolder.Row
        try Scenario.withBucket { scenario in
            let (store, saved) = (scenario.store, "\(scenario.directory)/saved")
            let (old, new) = (Row("key", bytes("old content")), Row("key", bytes("new")))
            try scenario.add("2024-03-02T01-00Z", [old])
            // It never came, but for a piece.
            try scenario.server.can(scenario.target(old), .init(status: 500))
            #expect(try scenario.run("sync").status == 3)
            let piece = "\(store)/tmp/partial-\(Hex.encode(MD5.digest(old.content)))-\(old.content.count)"
            try Files.replace(piece, with: old.content, mode: 0o600)
            try Files.replace("\(piece).log", with: bytes("icecore-partial 1\n0 5 -\n"), mode: 0o600)
            try scenario.add("2024-03-03T01-00Z", [new])
            #expect(try scenario.run("sync").status == 3, "what is no longer listed is asked for once more")
            #expect(Files.exists(piece))
            try Files.rename(store, saved)

            let words = ["prune", "--store", store, "--keep-last", "1"]
            func restore() throws {
                if Files.exists(store) { try FileManager.default.removeItem(atPath: store) }
                try FileManager.default.copyItem(atPath: saved, toPath: store)
            }
            try restore()
            let count = "\(scenario.directory)/count"
            let whole = try scenario.run(words, environment: FaultShim.environment(["FAULT_COUNT": count]))
            #expect(whole.status == 0, "\(whole)")
            let calls = try #require(Int(String(decoding: Files.read(count, limit: 100), as: UTF8.self).dropLast()))
            var killed = 0
            for call in stride(from: 1, through: calls, by: Self.isSoak ? 1 : max(1, calls / 15)) {
                try restore()
                let run = try scenario.run(words, environment: FaultShim.environment(["FAULT_KILL": "\(call)"]))
                killed += run.status == 128 + SIGKILL ? 1 : 0
                let next = try scenario.run(words)
                #expect(next.status == 0, "\(next)")
                #expect(try Files.names(in: "\(store)/tmp").isEmpty, "call \(call) of \(calls)")
                #expect(try scenario.succeed("cat", "key").text == "new")
            }
            #expect(killed > 5)
        }
    }
}
