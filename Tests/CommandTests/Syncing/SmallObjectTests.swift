import Basics
import Foundation
import Testbed
import Testing

/// Many small objects, and many keys that share a content.
@Suite struct SmallObjectTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"

    private static func rows(_ count: Int) -> [Row] {
        (0..<count).map { Row("small/\($0 / 100)/\($0)", bytes("content of \($0)")) }
    }

    /// Each blob is what its name says.
    private func expectSound(_ scenario: Scenario) throws -> Int {
        let blobs = try StoreDigest.blobs(scenario.store)
        for (path, digest) in blobs { #expect(path.hasPrefix("\(digest.prefix(2))/\(digest)-"), "\(path)") }
        return blobs.count
    }

    @Test func dataIsMadeDurableInBatches() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows(2000))
            let report = "\(scenario.directory)/strace"
            let calls = ["fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "msync"]
            let run = try scenario.run(
                under: ["/usr/bin/strace", "-f", "-c", "-e", "trace=\(calls.joined(separator: ","))", "-o", report],
                "sync")
            #expect(run.status == 0, "\(run)")
            #expect(try expectSound(scenario) == 2000)
            var counts: [String: Int] = [:]
            for line in String(decoding: try Files.read(report, limit: 1 << 20), as: UTF8.self).split(separator: "\n") {
                let words = line.split(separator: " ")
                guard words.count >= 5, let call = words.last.map(String.init), calls.contains(call) else { continue }
                counts[call] = Int(words[3])
            }
            let total = counts.values.reduce(0, +)
            #expect(total < 40, "\(counts)")
            // Two batches at least, and the names of the last one; the index beside them.
            #expect(counts["syncfs", default: 0] >= 2, "\(counts)")
            #expect(counts["fdatasync", default: 0] + counts["fsync", default: 0] >= 2, "\(counts)")
        }
    }

    @Test func aSyncThatIsKilledAgainAndAgainIsCompleteInTheEnd() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows(4000))
            var faults = FaultServer.Faults()
            faults.latency = 0.005
            try scenario.server.set(faults)
            var killed = 0
            var most = 0
            for _ in 0..<12 {
                // By what has been asked for, for the time that this takes says little on a busy machine.
                let target = try scenario.server.statistics().requests + .random(in: 1...400)
                let program = try scenario.start(["sync", "--store", scenario.store])
                _ = try Clock.wait(seconds: 60) {
                    if program.hasEnded { return true }
                    return try scenario.server.statistics().requests >= target
                }
                program.kill(SIGKILL)
                if try program.wait().status == 128 + SIGKILL { killed += 1 }
                let count = try expectSound(scenario)
                #expect(count >= most, "what was finished stays")
                most = count
            }
            #expect(killed >= 2)
            try scenario.succeed("sync")
            #expect(try expectSound(scenario) == 4000)
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
            #expect(try scenario.succeed("snapshots", "--json").record["complete"] as? Bool == true)
        }
    }

    @Test func aContentThatIsGoneUnderOneKeyIsHadThroughAnother() throws {
        try Scenario.withBucket { scenario in
            let content = bytes("the same")
            let rows = (0..<20).map { Row("key \($0 + 10)", content) }
            try scenario.folder.write(Self.name, rows)
            try scenario.server.add(Scenario.bucket, [rows[17]])
            let record = try scenario.succeed("sync", "--json").record
            #expect(record["fetched"] as? Int == 1)
            #expect(record["gone"] as? Int == 0 && record["failed"] as? Int == 0)
            #expect(try scenario.failures().isEmpty)
            for row in rows { #expect(try scenario.succeed("cat", row.key).stdout == content) }
            #expect(try scenario.requests().values.allSatisfy { $0 == 1 })
        }
    }

    @Test func aContentThatIsGoneUnderAllKeysIsAskedForUnderEachAtOnce() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<500).map { Row("key \($0)", bytes("the same")) } + [Row("z", bytes("another"))]
            try scenario.folder.write(Self.name, rows)
            try scenario.server.add(Scenario.bucket, [rows[500]])
            var faults = FaultServer.Faults()
            faults.latency = 0.1
            try scenario.server.set(faults)
            let start = Timestamp.now()
            let record = try scenario.succeed("sync", "--json", "--accept-gone").record
            // One after the other they would take fifty seconds.
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(6000))
            #expect(record["gone"] as? Int == 500)
            #expect(record["fetched"] as? Int == 1)
            #expect(try scenario.failures().count == 500)
            #expect(try scenario.requests().count == 501)
            try scenario.server.reset()
            try scenario.succeed("sync")
            #expect(try scenario.requests().isEmpty)
        }
    }

    @Test func aSlowContentUnderThousandsOfKeysHoldsNobodyUp() throws {
        try Scenario.withBucket { scenario in
            let slow = RealBucket.content(seed: 1, count: 300_000)
            let etag = Hex.encode(MD5.digest(slow))
            // More keys than are kept in memory.
            let many = (0..<12_000).map { number in
                Row("a/\(number)", [], versionId: "v\(number)").with {
                    $0.etag = etag
                    $0.size = "\(slow.count)"
                }
            }.sorted { $0.key < $1.key }
            let others = (0..<50).map { Row("z/\($0)", bytes("content \($0)")) }
            try scenario.folder.write(Self.name, many + others)
            try scenario.server.add(Scenario.bucket, others + [many[0].with { $0.content = slow }])
            var faults = FaultServer.Faults()
            faults.rate = 1000
            try scenario.server.set(faults)
            let program = try scenario.start(["sync", "--store", scenario.store, "--json", "--headers", "fetched"])
            let arrived = try Clock.wait(seconds: 60) { try scenario.blobs.count >= 50 }
            #expect(arrived && !program.hasEnded)
            #expect(try scenario.blobs.count == 50, "the slow one is still on its way")
            try scenario.server.set(FaultServer.Faults())
            let run = try program.wait()
            #expect(run.status == 0, "\(run)")
            #expect(try run.record["fetched"] as? Int == 51)
            #expect(try scenario.blobs.count == 51)
            #expect(try scenario.requests().count == 51)
            #expect(try scenario.succeed("snapshots", "--json").record["complete"] as? Bool == true)
        }
    }
}
