import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// The power is cut at any moment of a command: the store opens, every snapshot that was complete before is complete, and
/// the next sync completes what was interrupted.
@Suite struct PowerCutTests {
    private static let points = PowerCut.isSoak ? 200 : 3

    private func expect(_ complaints: [String], _ what: String) {
        for complaint in complaints.prefix(10) { Issue.record("\(what): \(complaint)") }
        guard PowerCut.isSoak else { return }
        print("power cuts in \(what): \(Self.points) points, \(complaints.count) complaints")
    }

    private func words(_ scenario: Scenario, _ command: String, _ words: [String]) -> [String] {
        [command, "--store", scenario.store] + words
    }

    /// A copy of the store as it is, all of it durable, to begin from as often as needed.
    private func start(_ cut: PowerCut) throws -> () throws -> DiskModel {
        try cut.disk().copy
    }

    @Test func aSync() throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...0)
            let before = try cut.state()
            let disk = try start(cut)
            let options = ["--date", PowerCut.names[1], "--keep-inventories", "1"] + PowerCut.chunks
            let synchronize = words(cut.scenario, "sync", options)
            let trace = try cut.record(synchronize)
            let promise = PowerCut.Promise(before: before, after: try cut.state(), next: [synchronize])
            let complaints = try cut.cut(trace, disk, points: Self.points, seed: 1) { try cut.look(promise, $0) }
            expect(complaints, "sync")
        }
    }

    @Test func aPrune() throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...2)
            let before = try cut.state()
            let disk = try start(cut)
            let prune = words(cut.scenario, "prune", ["--keep-last", "1"])
            let trace = try cut.record(prune)
            let promise = PowerCut.Promise(
                before: before, after: try cut.state(), next: [words(cut.scenario, "sync", []), prune])
            let complaints = try cut.cut(trace, disk, points: Self.points, seed: 2) { try cut.look(promise, $0) }
            expect(complaints, "prune")
        }
    }

    /// Of packs, some of which go, some are written anew, and some stay.
    @Test func aPruneOfPacks() throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...2)
            try cut.scenario.moveIntoPacks(6) { !$0.hasPrefix("x-") || $0.hasPrefix("x-0") }
            let before = try cut.state()
            let disk = try start(cut)
            let prune = words(cut.scenario, "prune", ["--keep-last", "1"])
            let trace = try cut.record(prune)
            let doomed = try cut.scenario.doomed()
            let names = try cut.scenario.packed().allNames.filter { !doomed.contains($0) }
            let contents = try names.map { ($0, try cut.scenario.content(named: $0)) }
            let promise = PowerCut.Promise(
                before: before, after: try cut.state(), next: [words(cut.scenario, "sync", []), prune],
                more: {
                    try contents.compactMap { name, content in
                        try cut.scenario.content(named: name) == content ? nil : "\(name) is lost"
                    }
                })
            let isExchange = { (event: Trace.CallEvent) in event.isEnd(of: "rename") }
            let complaints = try cut.cut(trace, disk, points: 2 * Self.points, seed: 6, focus: isExchange) {
                let complaints = try cut.look(promise, $0)
                // What comes back of a pack that has gone would be kept for ever.
                let left = Set(try cut.scenario.packed().allNames).subtracting(names).subtracting(doomed)
                return complaints + left.map { "\($0) is left" }
            }
            expect(complaints, "prune of packs")
        }
    }

    @Test func aRepair() throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...1)
            let after = try cut.state()
            var random = SplitMix64(seed: 3)
            let blobs = random.shuffle(after.blobs.keys.filter { !$0.hasSuffix("-0") }.sorted()).prefix(8)
            for (number, path) in blobs.enumerated() {
                let path = "\(cut.scenario.store)/blobs/\(path)"
                switch number {
                case 0, 1: try Files.remove(path)
                case 2: try Scenario.change(path) { $0.removeLast() }
                default: try Scenario.change(path) { $0[0] ^= 1 }
                }
            }
            let disk = try start(cut)
            let repair = words(cut.scenario, "verify", ["--repair"])
            let trace = try cut.record(repair)
            #expect(try cut.state() == after)
            let promise = PowerCut.Promise(
                before: after, after: after, damage: Set(blobs),
                next: [words(cut.scenario, "sync", ["--date", PowerCut.names[1]]), repair])
            let complaints = try cut.cut(trace, disk, points: Self.points, seed: 3) { try cut.look(promise, $0) }
            expect(complaints, "repair")
        }
    }

    /// The old index has a log beside it, for the sync before was killed between its commit and its end; and its pages are
    /// others than those of the new one, for the older inventory came later.
    @Test func aReindex() throws {
        try PowerCut.use { cut in
            for day in [1, 0] { try cut.synchronize(day...day) }
            let synchronize = words(cut.scenario, "sync", ["--date", PowerCut.names[2]] + PowerCut.chunks)
            let disk = try cut.recordKilled(synchronize) { events in
                guard let last = events.lastIndex(where: { $0.isEnd(of: "pwrite64", on: "index.sqlite-wal") }) else {
                    return nil
                }
                return events[last...].firstIndex { $0.isEnd(of: "fdatasync", on: "index.sqlite-wal") }
            }
            #expect(Files.size("\(cut.scenario.store)/index.sqlite-wal") ?? 0 > 0)
            let reindex = words(cut.scenario, "reindex", [])
            let trace = try cut.record(reindex)
            let state = try cut.state()
            #expect(state.snapshots.count == 3)
            let promise = PowerCut.Promise(before: state, after: state, next: [synchronize, reindex])
            let isExchange = { (event: Trace.CallEvent) in event.isEnd(of: "rename", on: "index.sqlite.new") }
            let complaints = try cut.cut(trace, disk.copy, points: Self.points, seed: 4, focus: isExchange) {
                try cut.look(promise, $0)
            }
            expect(complaints, "reindex")
        }
    }

    /// Blobs that were named by a process that was killed are there for the next, but not durable.
    @Test func aSyncAfterOneThatWasKilled() throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...0)
            let before = try cut.state()
            let synchronize = words(cut.scenario, "sync", ["--date", PowerCut.names[1]] + PowerCut.chunks)
            let disk = try cut.recordKilled(synchronize) { events in
                events.lastIndex { $0.isEnd(of: "linkat") || $0.isEnd(of: "renameat2") }
            }
            let trace = try cut.record(synchronize)
            let promise = PowerCut.Promise(before: before, after: try cut.state(), next: [synchronize])
            #expect(promise.after.snapshots.count == 2)
            let complaints = try cut.cut(trace, disk.copy, points: Self.points, seed: 5) {
                try cut.look(promise, $0)
            }
            expect(complaints, "sync after a killed one")
            // The test can fail: on a disk that lies, something is lost.
            for ignored in [["syncfs"], ["fdatasync"], ["syncfs", "fdatasync", "fsync"]] {
                let lost = try cut.cut(trace, disk.copy, points: 1, seed: 5, ignoring: Set(ignored)) {
                    try cut.look(promise, $0)
                }
                #expect(!lost.isEmpty, "without \(ignored)")
            }
        }
    }

    /// The same of a clone, which is a store at its very end only.
    @Test func aCloneAfterOneThatWasKilled() throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...1)
            let state = try cut.state()
            let replica = "file://\(cut.scenario.directory)/replica"
            try cut.scenario.succeed("push", replica)
            try FileManager.default.removeItem(atPath: cut.scenario.store)
            let clone = ["clone", replica, cut.scenario.store]
            let disk = try cut.recordKilled(clone) { events in
                events.lastIndex { $0.isEnd(of: "rename", on: "/tmp/clone") }
            }
            let trace = try cut.record(clone)
            let promise = PowerCut.Promise(before: state, after: state, next: [clone])
            let complaints = try cut.cut(trace, disk.copy, points: Self.points, seed: 7) { point in
                if Files.exists("\(cut.scenario.store)/icecore.json") { return try cut.look(promise, point) }
                if point.isEnd { return ["the clone is lost"] }
                let run = try cut.scenario.run(clone)
                return try run.status == 0 && cut.state() == state ? [] : ["it cannot go on: \(run)"]
            }
            expect(complaints, "clone after a killed one")
        }
    }

    /// What is taken from another store is as durable as what is downloaded.
    @Test func anAdoption() throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...1)
            let other = "\(cut.scenario.directory)/other"
            try FileManager.default.moveItem(atPath: cut.scenario.store, toPath: other)
            try cut.scenario.initialize(Scenario.bucket, inventory: cut.scenario.folder.url)
            for name in PowerCut.names[...1] { try cut.scenario.succeed("sync", "--date", name, "--metadata-only") }
            let before = try cut.state()
            let disk = try start(cut)
            let adopt = words(cut.scenario, "adopt", [other])
            let trace = try cut.record(adopt)
            let promise = PowerCut.Promise(before: before, after: try cut.state(), next: [adopt])
            #expect(promise.after.blobs.count > before.blobs.count + 5)
            let complaints = try cut.cut(trace, disk, points: Self.points, seed: 8) { try cut.look(promise, $0) }
            expect(complaints, "adoption")
        }
    }

    /// What is moved is there throughout, in one place or the other.
    @Test(arguments: [false, true]) func aPacking(isBack: Bool) throws {
        try PowerCut.use { cut in
            try cut.synchronize(0...1)
            if isBack { try cut.scenario.succeed("pack", "--below", "64K") }
            let state = try cut.state()
            let disk = try start(cut)
            let pack = words(cut.scenario, "pack", ["--below", isBack ? "0" : "64K"])
            let trace = try cut.record(pack)
            #expect(try cut.state() == state)
            let contents = state.blobs
            let promise = PowerCut.Promise(
                before: state, after: state, next: [pack],
                more: {
                    let seen = try StoreDigest.contents(cut.scenario.store)
                    return contents.keys.filter { seen[$0] != contents[$0] }.map { "\($0) is lost" }
                })
            let isTurn = { (event: Trace.CallEvent) in event.isEnd(of: "rename", on: "packs/catalogue") }
            let complaints = try cut.cut(trace, disk, points: Self.points, seed: 9, focus: isTurn) {
                try cut.look(promise, $0)
            }
            expect(complaints, isBack ? "unpacking" : "packing")
        }
    }

    @Test func anInit() throws {
        try PowerCut.use { cut in
            try FileManager.default.removeItem(atPath: cut.scenario.store)
            let disk = try start(cut)
            let initialize = [
                "init", cut.scenario.store, "--bucket", "s3://\(Scenario.bucket)", "--inventory",
                cut.scenario.folder.url,
            ]
            let trace = try cut.record(initialize)
            let look: (PowerCut.CutPoint) throws -> [String] = { point in
                if !Files.exists("\(cut.scenario.store)/icecore.json") {
                    if point.isEnd { return ["the store is lost"] }
                    let run = try cut.scenario.run(initialize)
                    if run.status != 0 { return ["it cannot be made: \(run)"] }
                }
                let run = try cut.scenario.run("sync", "--date", PowerCut.names[0])
                return run.status == 0 ? [] : ["it is of no use: \(run)"]
            }
            expect(try cut.cut(trace, disk, points: Self.points, seed: 6, look), "init")
            let lost = try cut.cut(trace, disk, points: 1, seed: 6, ignoring: ["fsync"], look)
            #expect(!lost.isEmpty, "without fsync")
        }
    }
}
