import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// Machines that are killed, that sleep, and that never hear what has come of their requests.
@Suite struct ObjectStoreTroubleTests {
    private static let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"

    /// Adds an inventory with so many new contents, some of them large, and syncs the ordinary store.
    private static func add(_ scenario: Scenario, day: Int, count: Int, large: Int = 0) throws -> String {
        let name = "2024-04-\(day < 10 ? "0" : "")\(day)T01-00Z"
        scenario.rows += (0..<count).map {
            InventoryFolder.Row("day \(day)/\($0)", bytes("content \($0) of \(day)"), at: "2024-03-31T12:00:00.000Z")
        }
        scenario.rows += (0..<large).map {
            InventoryFolder.Row(
                "large/\(day)-\($0)", RealBucket.content(seed: UInt64(day * 100 + $0), count: 17 << 20),
                at: "2024-03-31T12:00:00.000Z")
        }
        try scenario.add(name, scenario.rows)
        try scenario.succeed("sync", "--date", name)
        return name
    }

    private static func slowDown(_ scenario: Scenario, _ seconds: Double) throws {
        var faults = FaultServer.Faults()
        faults.latency = seconds
        try scenario.server.set(faults)
    }

    @Test(arguments: 0..<(isSoak ? 50 : 2)) func whoeverIsKilledTheNextSyncCompletes(_ round: Int) throws {
        var random = SplitMix64(seed: UInt64(round) &+ 1000)
        try Scenario.withContents(small: 3) { scenario in
            let distant = try ObjectStoreScenario(scenario, RGWServer.shared())
            for name in Scenario.inventoryNames { try distant.sync("--date", name) }
            var workers = try (0..<2).map { _ in try distant.startWork("--jobs", "8") }
            for day in 1...2 {
                let name = try Self.add(scenario, day: day, count: 600, large: 1)
                try Self.slowDown(scenario, 0.05)
                for _ in 0..<2 {
                    let sync = try distant.startSync("--date", name, "--jobs", "8", "--lease", "2")
                    for _ in 0..<2 {
                        usleep(UInt32(300_000 + random.below(2_500_000)))
                        let victim = Int(random.below(3))
                        if victim == 2 {
                            sync.kill(SIGKILL)
                        } else {
                            workers[victim].kill(SIGKILL)
                            _ = try workers[victim].wait()
                            workers[victim] = try distant.startWork("--jobs", "8")
                        }
                    }
                    sync.kill(SIGKILL)
                    _ = try sync.wait()
                }
                try Self.slowDown(scenario, 0)
                try distant.sync("--date", name, "--lease", "2")
            }
            for worker in workers { worker.kill(SIGKILL) }
            // The one after it removes what the last results still name.
            try distant.sync("--date", "2024-04-02T01-00Z")
            try distant.expectWhole()
            #expect(try distant.admin.listUploads(distant.place.bucketName).isEmpty)
        }
    }

    @Test func aMachineThatSleepsPastItsLeaseDoesNoHarm() throws {
        try Scenario.withContents(small: 3) { scenario in
            let distant = try ObjectStoreScenario(scenario, RGWServer.shared())
            for name in Scenario.inventoryNames { try distant.sync("--date", name) }
            let name = try Self.add(scenario, day: 1, count: 400)
            try Self.slowDown(scenario, 0.3)
            let sync = try distant.startSync("--date", name, "--jobs", "4", "--lease", "2")
            #expect(try Clock.wait(seconds: 60) { try distant.listing().contains { $0.hasSuffix("plan.json") } })
            let worker = try distant.startWork("--jobs", "4")
            // Both have a shard: the worker sleeps with its own.
            let both = try Clock.wait(seconds: 60) {
                try distant.listing().filter { $0.hasSuffix(".lease") }.count >= 2
            }
            #expect(both)
            let status = try scenario.run(["status", "--store", distant.store]).text
            #expect(status.contains("shares done, ") && status.contains("(process \(worker.process))"), "\(status)")
            worker.kill(SIGSTOP)
            try Self.slowDown(scenario, 0)
            let run = try sync.wait(seconds: 120)
            #expect(run.status == 0, "\(run)")
            worker.kill(SIGCONT)
            usleep(5_000_000)
            #expect(!worker.hasEnded, "it goes on as if nothing had happened: \(worker.complaints)")
            worker.kill(SIGKILL)
            try distant.expectWhole()
        }
    }

    @Test func answersThatAreLostDoNoHarm() throws {
        try Scenario.withContents(small: 3) { scenario in
            let proxy = try ProxyServer(to: RGWServer.shared())
            let distant = try ObjectStoreScenario(scenario, proxy)
            for (method, part) in [
                ("PUT", "probe"), ("PUT", "icecore-replica.json"), ("PUT", "plan.json"), ("PUT", ".json.gz"),
                ("PUT", ".lease"), ("PUT", ".done"), ("PUT", "packs/"), ("PUT", "blobs/"), ("POST", "?uploads"),
                ("POST", "?uploadId="), ("PUT", "metadata.json"), ("PUT", "latest.json"), ("DELETE", "plan.json"),
                ("DELETE", ".lease"),
            ] { try proxy.lose(method, part, count: 1) }
            for name in Scenario.inventoryNames { try distant.sync("--date", name) }
            let name = try Self.add(scenario, day: 1, count: 300, large: 2)
            for (method, part) in [("PUT", ".lease"), ("PUT", ".done"), ("POST", "?uploadId="), ("PUT", "latest.json")]
            {
                try proxy.lose(method, part, count: 1)
            }
            try distant.sync("--date", name)
            try distant.expectWhole()
        }
    }

    /// Ceph's gateway ignores conditions in a bucket with versions.
    @Test func withoutConditionalWritesOneMachineWorksAndSaysSo() throws {
        try Scenario.withContents(small: 3) { scenario in
            let distant = try ObjectStoreScenario(scenario, RGWServer.shared(), versioned: true)
            for name in Scenario.inventoryNames {
                let run = try distant.sync("--date", name)
                #expect(run.stderr.contains("this machine works alone"), "\(run)")
            }
            let name = try Self.add(scenario, day: 1, count: 200)
            try Self.slowDown(scenario, 0.2)
            let sync = try distant.startSync("--date", name, "--jobs", "4")
            #expect(try Clock.wait(seconds: 60) { try distant.listing().contains { $0.hasSuffix("plan.json") } })
            let worker = try distant.startWork("--once").wait()
            #expect(worker.status != 0 && worker.stderr.contains("only the machine that syncs"), "\(worker)")
            try Self.slowDown(scenario, 0)
            #expect(try sync.wait(seconds: 120).status == 0)
            try distant.expectWhole()
        }
    }

    /// What cannot be checked on its way comes over the local disk, but never more of it than was allowed.
    @Test func theLocalDiskIsUsedUpToALimit() throws {
        try Scenario.withContents(small: 3) { scenario in
            let distant = try ObjectStoreScenario(scenario, RGWServer.shared(), words: ["--spool", "64M"])
            for name in Scenario.inventoryNames { try distant.sync("--date", name) }
            let name = "2024-04-01T01-00Z"
            scenario.rows += (0..<10).map { number in
                InventoryFolder.Row(
                    "opaque/\(number)", RealBucket.content(seed: UInt64(number) + 50, count: 20 << 20),
                    at: "2024-03-31T12:00:00.000Z"
                ).with {
                    $0.etag = "0123456789abcdef0123456789abcde\(number)"
                    $0.encryption = "SSE-KMS"
                }
            }
            try scenario.add(name, scenario.rows)
            try scenario.succeed("sync", "--date", name)
            func peak(_ name: String) throws -> Int64 {
                let sync = try distant.startSync("--date", name)
                var most: Int64 = 0
                while !sync.hasEnded {
                    let text = try scenario.shell("du -s --block-size=1 '\(distant.store)/tmp' | cut -f1").text
                    most = max(most, Int64(text.filter(\.isNumber)) ?? 0)
                }
                let run = try scenario.run(["sync", "--date", name, "--store", distant.store])
                #expect(run.status == 0, "\(run)")
                return most
            }
            let most = try peak(name)
            // What du counts while files come and go may be those of two rounds.
            #expect(most > 20 << 20 && most <= 128 << 20, "\(most)")
            // What can be checked on its way does not come here.
            let streamed = try peak(Self.add(scenario, day: 2, count: 1, large: 6))
            #expect(streamed < 17 << 20, "\(streamed)")
            try distant.expectWhole()
        }
    }
}
