import Basics
import Foundation
import Testbed
import Testing

/// Large objects: fetched in ranges, each tried again alone, checked as a whole, continued after a kill.
@Suite struct ChunkTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let mebibyte: Int64 = 1 << 20
    private static let small = ["--chunk-threshold", "1M", "--chunk-size", "2M"]

    private func sync(_ scenario: Scenario, _ words: [String] = small) throws -> Run {
        try scenario.run(["sync", "--store", scenario.store] + words)
    }

    /// Expects one blob, which holds the object, and nothing in `tmp/`.
    private func expectContent(_ scenario: Scenario, _ object: SyntheticObject) throws {
        let store = scenario.store
        let files = try StoreDigest.files("\(store)/blobs")
        #expect(files.count == 1)
        if let file = files.first { #expect(try object.isContent(of: "\(store)/blobs/\(file)")) }
        #expect(try Files.names(in: "\(store)/tmp") == [])
    }

    @Test(arguments: [nil, 5 * mebibyte, 8 * mebibyte, 40 * mebibyte])
    func everyByteIsFetchedOnce(partSize: Int64?) throws {
        try Scenario.withBucket { scenario in
            let object = SyntheticObject(name: "object", size: 50 * Self.mebibyte + 321, partSize: partSize)
            try scenario.add(Self.name, [object.row()])
            var faults = FaultServer.Faults()
            faults.latency = 0.02
            try scenario.server.set(faults)
            let run = try self.sync(scenario)
            #expect(run.status == 0, "\(run)")
            try expectContent(scenario, object)
            let statistics = try scenario.server.statistics()
            #expect(statistics.bytes == object.size)
            #expect((12...60).contains(statistics.requests), "\(statistics.requests)")
            #expect(statistics.most > 2, "several at a time")
            #expect(try Files.names(in: "\(scenario.store)/quarantine").isEmpty)
        }
    }

    @Test func aKilledDownloadGoesOnWhereItStopped() throws {
        try Scenario.withBucket { scenario in
            let object = SyntheticObject(name: "object", size: 2 << 30, partSize: 8 * Self.mebibyte)
            try scenario.add(Self.name, [object.row()])
            var killed = 0
            for number in 0..<20 {
                let program = try scenario.start(["sync", "--store", scenario.store])
                let target = try scenario.server.statistics().bytes + Int64.random(in: 0...(160 * Self.mebibyte))
                _ = try Clock.wait(seconds: 30) {
                    if program.hasEnded { return true }
                    return try scenario.server.statistics().bytes >= target
                }
                if number % 3 == 0 { usleep(.random(in: 0...20_000)) }
                program.kill(SIGKILL)
                if try program.wait().status == 128 + SIGKILL { killed += 1 }
            }
            #expect(killed >= 10, "most should have been killed before their end")
            let run = try self.sync(scenario, [])
            #expect(run.status == 0, "\(run)")
            let bytes = try scenario.server.statistics().bytes
            #expect(Double(bytes) < 1.3 * Double(object.size), "\(bytes) bytes were sent")
            try expectContent(scenario, object)
        }
    }

    @Test func whatGoesWrongInAChunkIsTriedAgainAlone() throws {
        try Scenario.withBucket { scenario in
            let object = SyntheticObject(name: "object", size: 100 * Self.mebibyte, partSize: 5 * Self.mebibyte)
            try scenario.add(Self.name, [object.row()])
            var faults = FaultServer.Faults()
            (faults.status503, faults.status500, faults.cut, faults.reset) = (0.05, 0.05, 0.1, 0.05)
            try scenario.server.set(faults)
            let run = try self.sync(scenario)
            #expect(run.status == 0, "\(run)")
            try expectContent(scenario, object)
            let statistics = try scenario.server.statistics()
            #expect(statistics.bytes < object.size * 3 / 2, "\(statistics.bytes)")
            #expect(statistics.requests < 120, "\(statistics.requests)")
        }
    }

    @Test func wrongBytesAreFetchedAgain() throws {
        try Scenario.withBucket { scenario in
            let object = SyntheticObject(name: "object", size: 20 * Self.mebibyte, partSize: 5 * Self.mebibyte)
            try scenario.add(Self.name, [object.row()])
            var faults = FaultServer.Faults()
            faults.wrong = 0.1
            try scenario.server.set(faults)
            let run = try self.sync(scenario)
            if run.status == 0 {
                try expectContent(scenario, object)
            } else {
                // Three times something was wrong with one of its ranges.
                #expect(run.status == 3, "\(run)")
                try scenario.server.reset()
                #expect(try self.sync(scenario).status == 0)
                try expectContent(scenario, object)
            }
        }
    }

    @Test func whatStaysWrongIsReportedAndNotKept() throws {
        try Scenario.withBucket { scenario in
            let object = SyntheticObject(name: "object", size: 6 * Self.mebibyte, partSize: 5 * Self.mebibyte)
            let bad = SyntheticObject(name: "bad", size: 5 * Self.mebibyte, partSize: nil)
            let badRow = bad.row()
            try scenario.add(Self.name, [object.row(), badRow, Row("good", bytes("good"))])
            var faults = FaultServer.Faults()
            faults.alwaysWrong = [scenario.target(badRow)]
            try scenario.server.set(faults)
            let run = try self.sync(scenario)
            let targets = try scenario.requests()
            #expect(run.status == 3 && run.stderr.contains(bad.key), "\(run) \(targets)")
            #expect(try scenario.blobs.count == 2)
            #expect(try Files.names(in: "\(scenario.store)/tmp") == [])
            #expect(try scenario.failures().count == 1)
        }
    }

    @Test func whatHasArrivedOfAnObjectThatFailsIsKept() throws {
        try Scenario.withBucket { scenario in
            let object = SyntheticObject(name: "object", size: 24 * Self.mebibyte, partSize: nil)
            let row = object.row()
            try scenario.add(Self.name, [row])
            var faults = FaultServer.Faults()
            faults.rate = 4 << 20
            try scenario.server.set(faults)
            let program = try scenario.start(["sync", "--store", scenario.store] + Self.small)
            #expect(try Clock.wait(seconds: 60) { try scenario.server.statistics().bytes > 8 << 20 })
            faults.rate = nil
            faults.alwaysFail = [scenario.target(row)]
            try scenario.server.set(faults)
            #expect(try program.wait().status == 3)
            #expect(try Files.names(in: "\(scenario.store)/tmp").count == 2)
            let before = try scenario.server.statistics().bytes
            try scenario.server.set(FaultServer.Faults())
            #expect(try self.sync(scenario).status == 0)
            try expectContent(scenario, object)
            let bytes = try scenario.server.statistics().bytes
            #expect(bytes - before < object.size - 4 << 20, "\(bytes - before) of \(object.size) were fetched again")
        }
    }

    @Test func anObjectThatIsReplacedMeanwhileIsGoneAndNeverMixed() throws {
        try Scenario.withBucket { scenario in
            let old = [UInt8](repeating: 1, count: 12 << 20)
            let new = [UInt8](repeating: 2, count: 12 << 20)
            try scenario.add(Self.name, [Row("object", old)], columns: InventoryFolder.columnsWithoutVersions)
            var faults = FaultServer.Faults()
            faults.rate = 1 << 20
            try scenario.server.set(faults)
            let program = try scenario.start(["sync", "--store", scenario.store] + Self.small)
            #expect(try Clock.wait(seconds: 60) { try scenario.server.statistics().bytes > 1 << 20 })
            try scenario.server.add(bucket: Scenario.bucket, key: "object", content: new)
            try scenario.server.set(FaultServer.Faults())
            let run = try program.wait()
            #expect(run.status == 0 && run.stderr.contains("replaced"), "\(run)")
            #expect(try scenario.blobs.isEmpty)
            #expect(try scenario.failures().first?["gone"] as? Bool == true)
            #expect(try Files.names(in: "\(scenario.store)/tmp") == [])
        }
    }

    @Test func whatNoETagVouchesForIsKeptUnderItsOwnDigest() throws {
        try Scenario.withBucket { scenario in
            let object = SyntheticObject(name: "object", size: 9 * Self.mebibyte, partSize: 5 * Self.mebibyte)
            try scenario.add(Self.name, [object.row { $0.encryption = "SSE-KMS" }])
            let run = try self.sync(scenario)
            #expect(run.status == 0, "\(run)")
            try expectContent(scenario, object)
            #expect(try scenario.blobs.allSatisfy { $0.contains("x-") })
            #expect(try scenario.server.statistics().bytes == object.size)
        }
    }

    @Test func anUnlikelyPartSizeCountsWhenTheContentComesOutTheSameTwice() throws {
        try Scenario.withBucket { scenario in
            let object = SyntheticObject(name: "object", size: 9 * Self.mebibyte, partSize: 6_666_656)
            try scenario.add(Self.name, [object.row()])
            let run = try self.sync(scenario)
            #expect(run.status == 0, "\(run)")
            try expectContent(scenario, object)
            #expect(try scenario.blobs.allSatisfy { $0.contains("x-") })
            #expect(try scenario.server.statistics().bytes == 2 * object.size)
        }
    }

    @Test func aServerWithoutRangesIsAskedForTheWhole() throws {
        try Scenario.withBucket { scenario in
            let content = RealBucket.content(seed: 1, count: 3 << 20)
            let row = Row("object", content)
            try scenario.add(Self.name, [row])
            try scenario.server.can(
                scenario.target(row),
                FaultServer.Canned(body: String(decoding: [UInt8](repeating: 65, count: 100), as: UTF8.self)))
            var run = try self.sync(scenario)
            #expect(run.status == 3, "a server that answers with something else is not believed")
            try scenario.server.reset()
            run = try self.sync(scenario)
            #expect(run.status == 0, "\(run)")
            #expect(try scenario.succeed("cat", "object").stdout == content)
        }
    }

    @Test(arguments: [
        ("--chunk-size", "1"), ("--chunk-size", "0"), ("--chunk-size", "-5M"), ("--chunk-size", "10G"),
        ("--chunk-size", "many"), ("--chunk-size", "1e999"), ("--chunk-threshold", "99999999999999999999T"),
        ("--chunk-threshold", "5"), ("--chunk-threshold", ""),
    ]) func aSillySizeIsRefused(option: String, value: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Row("good", bytes("good"))])
            let run = try self.sync(scenario, ["\(option)=\(value)"])
            #expect(run.status == 64 && run.stderr.contains(option), "\(run)")
        }
    }
}
