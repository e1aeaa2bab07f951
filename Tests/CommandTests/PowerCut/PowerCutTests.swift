import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// The power is cut at any moment of a command: the store opens, every snapshot that was complete before is complete, and
/// the next sync completes what was interrupted.
@Suite struct PowerCutTests {
    private static let points = PowerCutBench.isSoak ? 200 : 3

    private func expect(_ complaints: [String], _ what: String) {
        for complaint in complaints.prefix(10) { Issue.record("\(what): \(complaint)") }
        guard PowerCutBench.isSoak else { return }
        print("power cuts in \(what): \(Self.points) points, \(complaints.count) complaints")
    }

    private func words(_ bench: Bench, _ command: String, _ words: [String]) -> [String] {
        [command, "--store", bench.store] + words
    }

    /// A copy of the store as it is, all of it durable, to begin from as often as needed.
    private func start(_ store: PowerCutBench) throws -> () throws -> DiskModel {
        try store.disk().copy
    }

    @Test func aSync() throws {
        try PowerCutBench.use { store in
            try store.synchronize(0...0)
            let before = try store.state()
            let disk = try start(store)
            let options = ["--date", PowerCutBench.names[1], "--keep-inventories", "1"] + PowerCutBench.chunks
            let sync = words(store.bench, "sync", options)
            let trace = try store.record(sync)
            let promise = PowerCutBench.Promise(before: before, after: try store.state(), next: [sync])
            let complaints = try store.cut(trace, disk, points: Self.points, seed: 1) { try store.look(promise, $0) }
            expect(complaints, "sync")
        }
    }

    @Test func aPrune() throws {
        try PowerCutBench.use { store in
            try store.synchronize(0...2)
            let before = try store.state()
            let disk = try start(store)
            let prune = words(store.bench, "prune", ["--keep-last", "1"])
            let trace = try store.record(prune)
            let promise = PowerCutBench.Promise(
                before: before, after: try store.state(), next: [words(store.bench, "sync", []), prune])
            let complaints = try store.cut(trace, disk, points: Self.points, seed: 2) { try store.look(promise, $0) }
            expect(complaints, "prune")
        }
    }

    @Test func aRepair() throws {
        try PowerCutBench.use { store in
            try store.synchronize(0...1)
            let after = try store.state()
            var random = SplitMix64(seed: 3)
            let blobs = random.shuffle(after.blobs.keys.filter { !$0.hasSuffix("-0") }.sorted()).prefix(8)
            for (number, path) in blobs.enumerated() {
                let path = "\(store.bench.store)/blobs/\(path)"
                switch number {
                case 0, 1: try Files.remove(path)
                case 2: try VerifyBench.change(path) { $0.removeLast() }
                default: try VerifyBench.change(path) { $0[0] ^= 1 }
                }
            }
            let disk = try start(store)
            let repair = words(store.bench, "verify", ["--repair"])
            let trace = try store.record(repair)
            #expect(try store.state() == after)
            let promise = PowerCutBench.Promise(
                before: after, after: after, damage: Set(blobs),
                next: [words(store.bench, "sync", ["--date", PowerCutBench.names[1]]), repair])
            let complaints = try store.cut(trace, disk, points: Self.points, seed: 3) { try store.look(promise, $0) }
            expect(complaints, "repair")
        }
    }

    /// The old index has a log beside it, for the sync before was killed between its commit and its end; and its pages are
    /// others than those of the new one, for the older inventory came later.
    @Test func aReindex() throws {
        try PowerCutBench.use { store in
            for day in [1, 0] { try store.synchronize(day...day) }
            let sync = words(store.bench, "sync", ["--date", PowerCutBench.names[2]] + PowerCutBench.chunks)
            let disk = try store.recordKilled(sync) { events in
                guard let last = events.lastIndex(where: { $0.isEnd(of: "pwrite64", on: "index.sqlite-wal") }) else {
                    return nil
                }
                return events[last...].firstIndex { $0.isEnd(of: "fdatasync", on: "index.sqlite-wal") }
            }
            #expect(Files.size("\(store.bench.store)/index.sqlite-wal") ?? 0 > 0)
            let reindex = words(store.bench, "reindex", [])
            let trace = try store.record(reindex)
            let state = try store.state()
            #expect(state.snapshots.count == 3)
            let promise = PowerCutBench.Promise(before: state, after: state, next: [sync, reindex])
            let isExchange = { (event: Trace.CallEvent) in event.isEnd(of: "rename", on: "index.sqlite.new") }
            let complaints = try store.cut(trace, disk.copy, points: Self.points, seed: 4, focus: isExchange) {
                try store.look(promise, $0)
            }
            expect(complaints, "reindex")
        }
    }

    /// Blobs that were named by a process that was killed are there for the next, but not durable.
    @Test func aSyncAfterOneThatWasKilled() throws {
        try PowerCutBench.use { store in
            try store.synchronize(0...0)
            let before = try store.state()
            let sync = words(store.bench, "sync", ["--date", PowerCutBench.names[1]] + PowerCutBench.chunks)
            let disk = try store.recordKilled(sync) { events in
                events.lastIndex { $0.isEnd(of: "linkat") || $0.isEnd(of: "renameat2") }
            }
            let trace = try store.record(sync)
            let promise = PowerCutBench.Promise(before: before, after: try store.state(), next: [sync])
            #expect(promise.after.snapshots.count == 2)
            let complaints = try store.cut(trace, disk.copy, points: Self.points, seed: 5) {
                try store.look(promise, $0)
            }
            expect(complaints, "sync after a killed one")
            // The test can fail: on a disk that lies, something is lost.
            for ignored in [["syncfs"], ["fdatasync"], ["syncfs", "fdatasync", "fsync"]] {
                let lost = try store.cut(trace, disk.copy, points: 1, seed: 5, ignoring: Set(ignored)) {
                    try store.look(promise, $0)
                }
                #expect(!lost.isEmpty, "without \(ignored)")
            }
        }
    }

    /// The same of a clone, which is a store at its very end only.
    @Test func aCloneAfterOneThatWasKilled() throws {
        try PowerCutBench.use { store in
            try store.synchronize(0...1)
            let state = try store.state()
            let replica = "file://\(store.bench.directory)/replica"
            try store.bench.succeed("push", replica)
            try FileManager.default.removeItem(atPath: store.bench.store)
            let clone = ["clone", replica, store.bench.store]
            let disk = try store.recordKilled(clone) { events in
                events.lastIndex { $0.isEnd(of: "rename", on: "/tmp/clone") }
            }
            let trace = try store.record(clone)
            let promise = PowerCutBench.Promise(before: state, after: state, next: [clone])
            let complaints = try store.cut(trace, disk.copy, points: Self.points, seed: 7) { point in
                if Files.exists("\(store.bench.store)/icecore.json") { return try store.look(promise, point) }
                if point.isEnd { return ["the clone is lost"] }
                let run = try store.bench.run(clone)
                return try run.status == 0 && store.state() == state ? [] : ["it cannot go on: \(run)"]
            }
            expect(complaints, "clone after a killed one")
        }
    }

    @Test func anInit() throws {
        try PowerCutBench.use { store in
            try FileManager.default.removeItem(atPath: store.bench.store)
            let disk = try start(store)
            let initialize = [
                "init", store.bench.store, "--bucket", "s3://\(SyncBench.bucket)", "--inventory", store.sync.folder.url,
            ]
            let trace = try store.record(initialize)
            let look: (PowerCutBench.CutPoint) throws -> [String] = { point in
                if !Files.exists("\(store.bench.store)/icecore.json") {
                    if point.isEnd { return ["the store is lost"] }
                    let run = try store.bench.run(initialize)
                    if run.status != 0 { return ["it cannot be made: \(run)"] }
                }
                let run = try store.bench.run("sync", "--date", PowerCutBench.names[0])
                return run.status == 0 ? [] : ["it is of no use: \(run)"]
            }
            expect(try store.cut(trace, disk, points: Self.points, seed: 6, look), "init")
            let lost = try store.cut(trace, disk, points: 1, seed: 6, ignoring: ["fsync"], look)
            #expect(!lost.isEmpty, "without fsync")
        }
    }
}
