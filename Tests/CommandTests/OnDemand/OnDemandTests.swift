import Basics
import Foundation
import Synchronization
import Testbed
import Testing

/// Contents that are not in the store, read through a mount.
@Suite struct OnDemandTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let mebibyte: Int64 = 1 << 20

    /// A store that knows the rows and has none of their contents, mounted.
    private func withMount(_ rows: [Row], _ words: [String] = [], _ body: (Scenario, String) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, rows)
            try scenario.succeed("sync", "--metadata-only")
            let point = words.isEmpty ? try scenario.mount() : try scenario.mount(words[0])
            try body(scenario, point)
        }
    }

    private func read(_ path: String, _ count: Int, at offset: Int64 = 0) throws -> [UInt8] {
        let file = try File(path, O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
        return bytes
    }

    private func log(_ scenario: Scenario) throws -> String {
        String(decoding: try Files.read("\(scenario.store)/mount.log", limit: 1 << 20), as: UTF8.self)
    }

    @Test func aSmallFileIsFetchedWhenItIsReadAndKept() throws {
        let rows = (0..<20).map { Row("folder/\($0)", RealBucket.content(seed: UInt64($0), count: 5000 * $0)) }
        try withMount(rows) { scenario, point in
            let listed = try FileManager.default.contentsOfDirectory(atPath: "\(point)/folder")
            #expect(listed.count == 20)
            #expect(try scenario.server.statistics().requests == 0, "looking costs nothing")
            for row in rows {
                #expect(try Files.read("\(point)/\(row.key)", limit: 1 << 20) == row.content, "\(row.key)")
            }
            // Nothing is fetched of the one that is empty.
            let requests = try scenario.requests()
            for row in rows where !row.content.isEmpty { #expect(requests[scenario.target(row)] ?? 0 >= 1) }
            #expect(try Clock.wait(seconds: 60) { try scenario.blobs.count == 19 }, "they are kept")
            #expect(try Clock.wait(seconds: 60) { try Files.names(in: "\(scenario.store)/tmp").isEmpty })
            try scenario.server.reset()
            for row in rows where !row.content.isEmpty {
                #expect(try scenario.succeed("cat", row.key).stdout == row.content)
            }
            try scenario.succeed("sync")
            let run = try scenario.succeed("sync", "--json")
            #expect(try run.record["fetched"] as? Int == 0)
            #expect(try scenario.server.statistics().bytes == 0, "nothing is fetched twice")
        }
    }

    @Test func theMiddleOfALargeFileCostsLittleAndASyncFetchesTheRest() throws {
        let object = SyntheticObject(name: "large", size: 1 << 30, partSize: 8 * Self.mebibyte)
        try withMount([object.row()]) { scenario, point in
            let path = "\(point)/\(object.key)"
            let start = Timestamp.now()
            let bytes = try read(path, 1 << 20, at: 512 * Self.mebibyte)
            let milliseconds = Timestamp.now().milliseconds - start.milliseconds
            #expect(bytes == object.bytes(512 * Self.mebibyte, 1 << 20))
            #expect(milliseconds < Patience.milliseconds(1000), "\(milliseconds) ms")
            // What the kernel reads ahead comes a little later.
            let fetched = try scenario.server.bytesAtRest()
            #expect(fetched < 20 * Self.mebibyte, "\(fetched)")
            try scenario.succeed("sync")
            let all = try scenario.server.statistics().bytes
            #expect(all <= object.size + Self.mebibyte, "\(all - object.size) bytes were fetched twice")
            let blob = try #require(try StoreDigest.files("\(scenario.store)/blobs").first)
            #expect(try object.isContent(of: "\(scenario.store)/blobs/\(blob)"))
            #expect(try Files.names(in: "\(scenario.store)/tmp") == [])
        }
    }

    @Test func whoReadsOnAndOnFetchesEachByteOnce() throws {
        let object = SyntheticObject(name: "large", size: 60 * Self.mebibyte + 77, partSize: 5 * Self.mebibyte)
        try withMount([object.row()]) { scenario, point in
            #expect(try object.isContent(of: "\(point)/\(object.key)"))
            #expect(try scenario.server.statistics().bytes == object.size)
            #expect(try scenario.server.statistics().requests < 45)
            #expect(try Clock.wait(seconds: 60) { try scenario.blobs.count == 1 }, "what is complete becomes a blob")
            try scenario.succeed("sync")
            #expect(try scenario.server.statistics().bytes == object.size)
        }
    }

    @Test func manyReadersOfOneRangeCauseOneRequest() throws {
        let object = SyntheticObject(name: "large", size: 100 * Self.mebibyte, partSize: nil)
        try withMount([object.row()]) { scenario, point in
            var faults = FaultServer.Faults()
            faults.latency = 0.5
            try scenario.server.set(faults)
            let path = "\(point)/\(object.key)"
            let right = Mutex(0)
            DispatchQueue.concurrentPerform(iterations: 16) { number in
                let offset = 50 * Self.mebibyte + Int64(number) * 8192
                guard let file = try? File(path, O_RDONLY | 0o40000) else { return }
                var bytes = [UInt8](repeating: 0, count: 8192)
                let isRead = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }) != nil
                if isRead, bytes == object.bytes(offset, 8192) { right.withLock { $0 += 1 } }
            }
            #expect(right.withLock { $0 } == 16)
            // One for what all of them want, and at most a few ahead of them.
            #expect(try scenario.server.statistics().requests <= 4)
            #expect(try scenario.server.statistics().bytes <= 8 * Self.mebibyte)
        }
    }

    @Test func offlineNothingIsAskedFor() throws {
        let row = Row("file", bytes("content"))
        try withMount([row], ["--offline"]) { scenario, point in
            #expect(throws: IcecoreError.self) { try Files.read("\(point)/file", limit: 100) }
            #expect(throws: IcecoreError.self) { try Files.read("\(point)/file", limit: 100) }
            #expect(try scenario.server.statistics().requests == 0)
            let lines = try log(scenario).split(separator: "\n").filter { $0.contains("not in the store") }
            #expect(lines.count == 1, "\(lines)")
        }
    }

    @Test func aSourceThatFailsIsAnErrorAndHoldsNobodyElseUp() throws {
        let rows = [Row("bad", bytes("bad")), Row("silent", bytes("silent")), Row("good", bytes("good"))]
        try withMount(rows) { scenario, point in
            var faults = FaultServer.Faults()
            faults.alwaysFail = [scenario.target(rows[0])]
            try scenario.server.set(faults)
            #expect(throws: IcecoreError.self) { try Files.read("\(point)/bad", limit: 100) }
            #expect(try log(scenario).contains("bad"))
            #expect(try Files.read("\(point)/good", limit: 100) == rows[2].content)
            // Somebody waits for an answer that does not come: the others do not notice.
            faults.stall = 1
            try scenario.server.set(faults)
            let reader = try RunningProgram(
                "/bin/cat", [Array("\(point)/silent".utf8)], environment: [:], currentDirectory: "/",
                outputs: "\(scenario.directory)/outputs")
            #expect(try Clock.wait(seconds: 60) { try scenario.requests()[scenario.target(rows[1])] != nil })
            #expect(!reader.hasEnded)
            let start = Timestamp.now()
            #expect(try FileManager.default.contentsOfDirectory(atPath: point).count == 3)
            #expect(try Files.read("\(point)/good", limit: 100) == rows[2].content)
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(1000))
            // It can be killed, too.
            reader.kill(SIGKILL)
            let hasEnded = Clock.wait(seconds: 60) { reader.hasEnded }
            #expect(hasEnded)
            try scenario.server.set(FaultServer.Faults())
            #expect(try Files.read("\(point)/bad", limit: 100) == rows[0].content)
        }
    }

    @Test func wrongBytesAreSeenByNobody() throws {
        let row = Row("file", RealBucket.content(seed: 3, count: 70_000))
        try withMount([row]) { scenario, point in
            var faults = FaultServer.Faults()
            faults.alwaysWrong = [scenario.target(row)]
            try scenario.server.set(faults)
            #expect(throws: IcecoreError.self) { try Files.read("\(point)/file", limit: 1 << 20) }
            #expect(try log(scenario).contains("ETag"))
            try scenario.server.set(FaultServer.Faults())
            #expect(try Files.read("\(point)/file", limit: 1 << 20) == row.content)
        }
    }

    @Test func whatIsGoneIsAnError() throws {
        let row = Row("file", bytes("content"))
        try Scenario.withBucket { scenario in
            try scenario.folder.write(Self.name, [row])
            try scenario.succeed("sync", "--metadata-only")
            let point = try scenario.mount()
            #expect(throws: IcecoreError.self) { try Files.read("\(point)/file", limit: 100) }
            #expect(try log(scenario).contains("NoSuchKey"))
        }
    }

    @Test func aMountMakesTheDirectoryAgainThatItFetchesInto() throws {
        let rows = [Row("small", bytes("small")), Row("large", RealBucket.content(seed: 5, count: 9 << 20))]
        try withMount(rows) { scenario, point in
            try Files.removeAll("\(scenario.store)/tmp")
            for row in rows { #expect(try Files.read("\(point)/\(row.key)", limit: 1 << 24) == row.content) }
            #expect(try Clock.wait(seconds: 60) { try scenario.blobs.count == 2 }, "they are kept")
        }
    }

    @Test func whoeverWaitsDoesNotKeepTheMount() throws {
        let row = Row("file", bytes("content"))
        try withMount([row]) { scenario, point in
            var faults = FaultServer.Faults()
            faults.stall = 1
            try scenario.server.set(faults)
            let reader = try RunningProgram(
                "/bin/cat", [Array("\(point)/file".utf8)], environment: [:], currentDirectory: "/",
                outputs: "\(scenario.directory)/outputs")
            #expect(try Clock.wait(seconds: 60) { try scenario.requests()[scenario.target(row)] != nil })
            #expect(!reader.hasEnded)
            let text = try log(scenario)
            let number = try #require(text.firstMatch(of: /icecore\[([0-9]+)\]/).flatMap { Int32($0.1) })
            #expect(kill(number, SIGTERM) == 0)
            #expect(Clock.wait(seconds: Patience.seconds(5)) { !Scenario.isMounted(point) && reader.hasEnded })
        }
    }
}
