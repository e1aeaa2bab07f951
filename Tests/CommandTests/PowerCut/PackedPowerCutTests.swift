import Basics
import Foundation
import Testbed
import Testing

/// The power is cut while small contents go into packs.
@Suite struct PackedPowerCutTests {
    private static let points = PowerCut.isSoak ? 200 : 3

    private func expect(_ complaints: [String], _ what: String) {
        for complaint in complaints.prefix(10) { Issue.record("\(what): \(complaint)") }
        guard PowerCut.isSoak else { return }
        print("power cuts in \(what): \(Self.points) points, \(complaints.count) complaints")
    }

    /// What is wrong with contents that snapshots show.
    private func wrongContents(_ cut: PowerCut, _ day: Int) throws -> [String] {
        let name = PowerCut.names[day]
        guard try cut.scenario.succeed("snapshots", "--json").text.contains(name) else { return [] }
        return try cut.rows[day].filter { $0.isLatest && !$0.isMarker && !$0.key.contains("many") }.compactMap { row in
            let run = try cut.scenario.run("cat", row.key, "--at", name)
            return run.status == 0 && run.stdout.isSame(as: row.content) ? nil : "\(row.key) of \(name): \(run.stderr)"
        }
    }

    @Test func aSync() throws {
        try PowerCut.use(packBelow: "500K") { cut in
            try cut.synchronize(0...0)
            let before = try cut.state()
            let disk = try cut.disk().copy
            let synchronize = ["sync", "--store", cut.scenario.store, "--date", PowerCut.names[1]] + PowerCut.chunks
            let trace = try cut.record(synchronize)
            var promise = PowerCut.Promise(before: before, after: try cut.state(), next: [synchronize])
            promise.more = { try wrongContents(cut, 0) + wrongContents(cut, 1) }
            let isExchange = { (event: Trace.CallEvent) in event.isEnd(of: "rename", on: "packs/catalogue") }
            let complaints = try cut.cut(trace, disk, points: Self.points, seed: 11, focus: isExchange) {
                try cut.look(promise, $0)
            }
            expect(complaints, "sync into packs")
        }
    }

    /// What a killed process has left of a pack is finished by the next one, and is as durable then.
    @Test func aSyncAfterOneThatWasKilled() throws {
        try PowerCut.use(packBelow: "500K") { cut in
            try cut.synchronize(0...0)
            let before = try cut.state()
            let synchronize = ["sync", "--store", cut.scenario.store, "--date", PowerCut.names[1]] + PowerCut.chunks
            let disk = try cut.recordKilled(synchronize) { events in
                events.lastIndex { $0.isEnd(of: "pwrite64", on: "/tmp/pack-") }.map { $0 - 1 }
            }
            #expect(try Files.names(in: "\(cut.scenario.store)/tmp").contains { $0.hasPrefix("pack-") })
            let trace = try cut.record(synchronize)
            var promise = PowerCut.Promise(before: before, after: try cut.state(), next: [synchronize])
            promise.more = { try wrongContents(cut, 0) + wrongContents(cut, 1) }
            #expect(promise.after.snapshots.count == 2)
            let complaints = try cut.cut(trace, disk.copy, points: Self.points, seed: 12) {
                try cut.look(promise, $0)
            }
            expect(complaints, "sync into packs after a killed one")
            // The test can fail: on a disk that lies, something is lost.
            let lost = try cut.cut(
                trace, disk.copy, points: 1, seed: 12, ignoring: ["syncfs", "fdatasync", "fsync"]
            ) { try cut.look(promise, $0) }
            #expect(!lost.isEmpty)
        }
    }
}
