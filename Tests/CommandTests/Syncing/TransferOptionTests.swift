import Basics
import Foundation
import Testbed
import Testing

/// How fast a sync may be, and who pays for it.
@Suite struct TransferOptionTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"

    @Test func theRateIsKeptOnARealServer() throws {
        let server = try NginxServer()
        try Scenario.use(server) { scenario in
            let folder = try InventoryFolder("\(scenario.directory)/inventories", bucket: "limited")
            let large = (0..<5).map { Row("large/\($0)", RealBucket.content(seed: UInt64($0), count: 1 << 20)) }
            let small = (0..<256).map { Row("small/\($0)", RealBucket.content(seed: UInt64(100 + $0), count: 4096)) }
            for row in large + small {
                try server.add(bucket: "limited", key: row.key, versionId: row.versionId, content: row.content)
            }
            try folder.write(Self.name, large + small)
            try scenario.initialize("limited", inventory: folder.url)
            let start = Timestamp.now()
            let record = try scenario.succeed("sync", "--json", "--limit-rate", "2M").record
            let seconds = Double(Timestamp.now().milliseconds - start.milliseconds) / 1000
            #expect(record["fetchedBytes"] as? Int == 6 << 20)
            // Six mebibytes at two a second.
            #expect(seconds > 2.4 && seconds < Patience.seconds(3.6), "\(seconds) s")
        }
    }

    @Test func theRateHoldsForInventoriesToo() throws {
        let server = try MotoServer.shared()
        let admin = try S3Admin(server)
        let bucket = "limited-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        try Scenario.use(server) { scenario in
            var options = S3Admin.InventoryOptions()
            options.destination = bucket
            // Keys that cannot be compressed to nothing.
            options.rows = (0..<9000).map { number in
                let digest = Hex.encode(SHA256.digest(bytes("\(number)")))
                var row = S3Admin.ServedVersion(
                    key: digest, versionId: String(digest.prefix(32)), isLatest: true, deleteMarker: false, size: 0,
                    lastModified: "2024-03-01T01:00:00+00:00", etag: "d41d8cd98f00b204e9800998ecf8427e")
                row.storageClass = "STANDARD"
                return row
            }
            let inventory = try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories", options)
            let lists = try StoreDigest.files("\(scenario.directory)/inventories/data")
            let size = lists.map { Files.size("\(scenario.directory)/inventories/data/\($0)") ?? 0 }.reduce(0, +)
            try scenario.initialize(bucket, inventory: "s3://\(bucket)/\(inventory.prefix)")
            let start = Timestamp.now()
            try scenario.succeed("sync", "--metadata-only", "--limit-rate", "128K")
            let seconds = Double(Timestamp.now().milliseconds - start.milliseconds) / 1000
            let expected = Double(size) / Double(128 << 10)
            // The listing and the merge take a while of their own.
            #expect(expected > 2 && seconds > 0.8 * expected, "\(seconds) s")
            #expect(seconds < Patience.seconds(1.2 * expected + 1), "\(seconds) s")
        }
    }

    @Test(arguments: [1, 200])
    func theRateIsSteady(objects: Int) throws {
        // A machine that does other things meanwhile disturbs one run or two; a sync that is not steady, each.
        var unsteady: [String] = []
        for _ in 0..<4 {
            unsteady = try unsteadySeconds(objects: objects)
            if unsteady.isEmpty { return }
        }
        Issue.record("\(unsteady)")
    }

    /// Those two seconds of a sync in which it strayed from its limit by more than 15 %.
    private func unsteadySeconds(objects: Int) throws -> [String] {
        let rate = 1 << 20
        var unsteady: [String] = []
        try Scenario.withBucket { scenario in
            let size = 7 * rate / objects
            try scenario.add(
                Self.name, (0..<objects).map { Row("\($0)", RealBucket.content(seed: UInt64($0), count: size)) })
            let sync = try scenario.start(["sync", "--store", scenario.store, "--limit-rate", "1M"])
            var samples: [(milliseconds: UInt64, bytes: Int64)] = []
            while !sync.hasEnded {
                let bytes = try scenario.server.statistics().arrived
                // From the first answer on.
                if bytes > 0 { samples.append((MonotonicClock.milliseconds(), bytes)) }
                usleep(50_000)
            }
            let run = try sync.wait()
            #expect(run.status == 0, "\(run)")
            let total = try #require(samples.last).bytes
            #expect(total >= 7 * rate)
            // Any two seconds after the first, but for the end.
            let begin = try #require(samples.first).milliseconds
            let middle = samples.filter { $0.milliseconds >= begin + 1000 && $0.bytes < total }
            var windows = 0
            for (place, first) in middle.enumerated() {
                guard let last = middle[place...].first(where: { $0.milliseconds >= first.milliseconds + 2000 }) else {
                    break
                }
                windows += 1
                let seen = Double(last.bytes - first.bytes) * 1000 / Double(last.milliseconds - first.milliseconds)
                if abs(seen / Double(rate) - 1) >= 0.15 {
                    unsteady.append(
                        "\(Int(seen)) B/s, from \(first.milliseconds - begin) to \(last.milliseconds - begin) ms")
                }
            }
            if windows <= 20 { unsteady.append("\(samples.count) samples") }
        }
        return unsteady
    }

    @Test func aLimitedSyncShowsThatItLives() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Row("large", RealBucket.content(seed: 1, count: 1 << 20))])
            let (sync, output) = (
                "'\(scenario.program)' sync --store '\(scenario.store)' --limit-rate 128K",
                "\(scenario.directory)/typescript"
            )
            let script = try RunningProgram(
                "/usr/bin/script", ["-qfec", "stty cols 120; exec \(sync)", output].map { bytes($0) },
                environment: scenario.environment.merging(["TERM": "xterm"]) { $1 },
                currentDirectory: scenario.directory, outputs: "\(scenario.directory)/outputs")
            // The line has a rate and bytes in it, which change all the time.
            var changed: [UInt64] = []
            var seen = Int64(0)
            while !script.hasEnded {
                let now = Files.size(output) ?? 0
                if now != seen { changed.append(MonotonicClock.milliseconds()) }
                seen = now
                usleep(50_000)
            }
            let run = try script.wait()
            #expect(run.status == 0, "\(run)")
            let longest = zip(changed, changed.dropFirst()).map { $1 - $0 }.max()
            #expect(try #require(longest) < 2000, "\(changed)")
            #expect(try #require(changed.last) - #require(changed.first) > 6000, "\(changed)")
        }
    }

    @Test(arguments: ["fast", "10", "0", "-5M", "1e3", "10Q", ".5M", "", "99999T"])
    func nonsenseIsNoRate(rate: String) throws {
        try Scenario.use { scenario in
            let run = try scenario.run(["sync", "--store", scenario.store, "--limit-rate=\(rate)"])
            #expect(run.status == 64 && run.stdout.isEmpty, "\(run)")
            #expect(run.stderr.contains("--limit-rate"), "\(run)")
            #expect(rate.isEmpty || run.stderr.contains("500K") || run.stderr.contains("from 1.0 KiB"), "\(run)")
        }
    }

    @Test func requesterPaysIsKeptByTheStoreAndAskedForByASync() throws {
        try Scenario.withBucket { scenario in
            let row = Row("key", bytes("content"))
            try scenario.folder.write(Self.name, [row])
            try scenario.server.can(scenario.target(row), .init(body: "content"))
            for (number, words) in [[], ["--request-payer"], ["--request-payer", "requester"]].enumerated() {
                for isStored in [true, false] {
                    let store = "\(scenario.directory)/store-\(number)-\(isStored)"
                    let made = try scenario.run(
                        ["init", store, "--bucket", "s3://\(Scenario.bucket)", "--inventory", scenario.folder.url]
                            + (isStored ? words : []))
                    try #require(made.status == 0, "\(made)")
                    let run = try scenario.run(["sync", "--store", store] + (isStored ? [] : words))
                    #expect(run.status == 0, "\(run)")
                    let payer = try #require(try scenario.server.log().last).header("x-amz-request-payer")
                    #expect(payer == (words.isEmpty ? nil : "requester"))
                }
            }
            let run = try scenario.run("sync", "--request-payer", "owner")
            #expect(run.status == 64, "\(run)")
        }
    }
}
