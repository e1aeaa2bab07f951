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

    /// Some contents are damaged, one pack is gone, and another has no end.
    @Test func aRepair() throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...1)
            try cut.scenario.moveIntoPacks(6) { !$0.hasPrefix("x-") || $0.hasPrefix("x-0") }
            let after = try cut.state()
            let packs = try cut.scenario.packs
            try #require(packs.count > 3)
            let records = try packs.map { try cut.scenario.records($0) }
            let content = try #require(records[0].first { $0.name.size > 0 }).content
            try Scenario.change(cut.scenario.path(packs[0])) { $0[Int(content.lowerBound)] ^= 1 }
            try Scenario.change(cut.scenario.path(packs[1])) { $0[$0.count - 5] ^= 1 }
            try Files.remove(cut.scenario.path(packs[2]))
            let disk = try cut.disk().copy
            let repair = ["verify", "--repair", "--store", cut.scenario.store]
            let trace = try cut.record(repair)
            #expect(try cut.state() == after)
            let damage = packs.prefix(3).map(\.description) + records.prefix(3).joined().map(\.name.file)
            let promise = PowerCut.Promise(
                before: after, after: after, damage: Set(damage),
                next: [["sync", "--store", cut.scenario.store, "--date", PowerCut.names[1]], repair],
                more: {
                    // What was sound is there throughout.
                    let seen = try StoreDigest.contents(cut.scenario.store, passesOverDamage: true)
                    let sound = after.blobs.filter { blob in !damage.contains { blob.key.hasSuffix($0) } }
                    return sound.keys.filter { seen[$0] != sound[$0] }.map { "\($0) is lost" }
                })
            let isExchange = { (event: Trace.CallEvent) in event.isEnd(of: "rename") }
            let complaints = try cut.cut(trace, disk, points: Self.points, seed: 13, focus: isExchange) {
                try cut.look(promise, $0)
            }
            expect(complaints, "repair of packs")
        }
    }

    /// New packs come, and those that they replace go.
    @Test func aCloneThatFollows() throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...0)
            try cut.scenario.moveIntoPacks(6) { !$0.hasPrefix("x-") || $0.hasPrefix("x-0") }
            let replica = "file://\(cut.scenario.directory)/replica"
            let source = "\(cut.scenario.directory)/source"
            try cut.scenario.succeed("push", replica)
            try FileManager.default.moveItem(atPath: cut.scenario.store, toPath: source)
            let clone = ["clone", replica, cut.scenario.store]
            try cut.scenario.run(clone)
            let before = try cut.state()
            for words in [
                ["sync", "--date", PowerCut.names[1]], ["pack", "--below", "0"], ["pack", "--below", "8M"],
                ["push", replica, "--prune"],
            ] {
                let run = try cut.scenario.run(words + ["--store", source])
                try #require(run.status == 0, "\(run)")
            }
            let disk = try cut.disk().copy
            let trace = try cut.record(clone)
            let after = try cut.state()
            #expect(try cut.scenario.packed().files.count == 1)
            let promise = PowerCut.Promise(before: before, after: after, next: [clone])
            let isExchange = { (event: Trace.CallEvent) in event.isEnd(of: "rename") }
            let complaints = try cut.cut(trace, disk, points: Self.points, seed: 14, focus: isExchange) {
                let complaints = try cut.look(promise, $0)
                let left = try StoreDigest.files("\(cut.scenario.store)/packs").count
                return complaints + (left == 2 ? [] : ["\(left) files are in packs/"])
            }
            expect(complaints, "clone that follows packs")
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
