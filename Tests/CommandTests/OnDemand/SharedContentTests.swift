import Basics
import Foundation
import Synchronization
import Testbed
import Testing

/// Reads of absent contents beside syncs of the same contents, and sources that behave badly.
@Suite struct SharedContentTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let mebibyte: Int64 = 1 << 20

    private func withMount(_ rows: [Row], _ body: (Scenario, String) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, rows)
            try scenario.succeed("sync", "--metadata-only")
            try body(scenario, try scenario.mount())
        }
    }

    /// Bytes of a file, past the page cache where `fresh`.
    private func read(_ path: String, _ count: Int, at offset: Int64, fresh: Bool = false) -> [UInt8]? {
        guard let file = try? File(path, O_RDONLY) else { return nil }
        if fresh { posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) }
        var bytes = [UInt8](repeating: 0, count: count)
        return (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }) == nil ? nil : bytes
    }

    @Test func readersAndKilledSyncsOfOneContentNeverMix() throws {
        let objects = (0..<3).map {
            SyntheticObject(name: "\($0)", size: 24 * Self.mebibyte + 5, partSize: $0 == 0 ? nil : 5 * Self.mebibyte)
        }
        try withMount(objects.map { $0.row() }) { scenario, point in
            let isOver = Mutex(false)
            // How many reads were right, and how many wrong.
            let seen = Mutex((0, 0))
            let readers = (0..<3).map { _ in
                let thread = Thread {
                    while !isOver.withLock({ $0 }) {
                        let object = objects.randomElement() ?? objects[0]
                        let offset = Int64.random(in: 0..<(object.size / 32 - 4000)) * 32
                        guard let bytes = read("\(point)/\(object.key)", 65536, at: offset, fresh: true) else {
                            continue
                        }
                        let isRight = bytes == object.bytes(offset, 65536)
                        seen.withLock { isRight ? ($0.0 += 1) : ($0.1 += 1) }
                    }
                }
                thread.start()
                return thread
            }
            for round in 0..<6 {
                let program = try scenario.start(
                    [
                        "sync", "--store", scenario.store, "--chunk-threshold", "1M", "--chunk-size", "1M",
                        "--limit-rate", "20M",
                    ])
                usleep(.random(in: 200_000...900_000))
                program.kill(round % 2 == 0 ? SIGKILL : SIGINT)
                _ = try program.wait()
            }
            isOver.withLock { $0 = true }
            #expect(Clock.wait(seconds: 60) { readers.allSatisfy(\.isFinished) })
            try scenario.succeed("sync")
            #expect(seen.withLock { $0.1 } == 0 && seen.withLock { $0.0 } > 10)
            for object in objects {
                #expect(try object.isContent(of: "\(point)/\(object.key)"))
                let md5 = object.etag.prefix(2)
                let names = try Files.names(in: "\(scenario.store)/blobs/\(md5)")
                for name in names where name.hasPrefix(object.etag) {
                    #expect(try object.isContent(of: "\(scenario.store)/blobs/\(md5)/\(name)"))
                }
            }
            #expect(try scenario.blobs.count == 3)
        }
    }

    @Test func bytesThatWereWrongAreNotKeptByTheKernel() throws {
        let object = SyntheticObject(name: "object", size: 20 * Self.mebibyte, partSize: nil)
        let row = object.row()
        try withMount([row]) { scenario, point in
            var faults = FaultServer.Faults()
            faults.alwaysWrong = [scenario.target(row)]
            try scenario.server.set(faults)
            // They are seen before they can be checked.
            let seen = try Files.read("\(point)/\(object.key)", limit: 64 << 20)
            #expect(seen.count == object.size && seen[0] != object.bytes(0, 1)[0])
            let log = "\(scenario.store)/mount.log"
            #expect(
                try Clock.wait(seconds: 60) {
                    String(decoding: try Files.read(log, limit: 1 << 20), as: UTF8.self).contains("ETag")
                })
            try scenario.server.set(FaultServer.Faults())
            #expect(try Clock.wait(seconds: 60) { try object.isContent(of: "\(point)/\(object.key)") })
            // Some of it may still have come from what was thrown away meanwhile: all that is read anew is stored.
            #expect(
                try Clock.wait(seconds: 60) {
                    try object.isContent(of: "\(point)/\(object.key)") && scenario.blobs.count == 1
                })
        }
    }

    @Test func aReplacedObjectIsAnErrorForManyReadersAndTheMountGoesOn() throws {
        let old = [UInt8](repeating: 1, count: 24 << 20)
        let row = Row("object", old, versionId: "null")
        try withMount([row, Row("other", bytes("other"))]) { scenario, point in
            try scenario.server.add(
                bucket: Scenario.bucket, key: "object", versionId: "null",
                content: [UInt8](repeating: 2, count: 24 << 20))
            var faults = FaultServer.Faults()
            faults.latency = 0.2
            try scenario.server.set(faults)
            let failed = Mutex(0)
            DispatchQueue.concurrentPerform(iterations: 6) { number in
                if read("\(point)/object", 4096, at: Int64(number) * 4 * Self.mebibyte) == nil {
                    failed.withLock { $0 += 1 }
                }
            }
            #expect(failed.withLock { $0 } == 6)
            for _ in 0..<3 { #expect(read("\(point)/object", 4096, at: 8192) == nil) }
            #expect(try Files.read("\(point)/other", limit: 100) == bytes("other"))
        }
    }

    @Test func aContentThatIsGoneUnderOneKeyIsReadUnderAnother() throws {
        let content = RealBucket.content(seed: 7, count: 300_000)
        let rows = [Row("gone", content), Row("there", content, versionId: "there")]
        try Scenario.withBucket { scenario in
            try scenario.folder.write(Self.name, rows)
            try scenario.server.add(Scenario.bucket, [rows[1]])
            try scenario.succeed("sync", "--metadata-only")
            let point = try scenario.mount()
            #expect((try? Files.read("\(point)/gone", limit: 1 << 20)) == nil)
            #expect(try Files.read("\(point)/there", limit: 1 << 20) == content)
        }
    }

    @Test func aPartSizeThatCannotBeIsNotBelieved() throws {
        let object = SyntheticObject(name: "object", size: 40 * Self.mebibyte, partSize: 5 * Self.mebibyte)
        let row = object.row()
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [row])
            for length in ["1", "8388608", "9223372036854775807", "0"] {
                try scenario.server.can(
                    "/\(Scenario.bucket)/\(object.key)?partNumber=1&versionId=\(row.versionId)",
                    FaultServer.Canned(
                        status: 206, headers: [("x-amz-mp-parts-count", "8"), ("Content-Length", length)]))
                try FileManager.default.removeItem(atPath: scenario.store)
                try scenario.initialize(Scenario.bucket, inventory: scenario.folder.url)
                try scenario.succeed("sync", "--chunk-threshold", "1M")
                #expect(try scenario.blobs.count == 1)
                #expect(try scenario.blobs.allSatisfy { !$0.contains("x-") }, "\(length)")
            }
        }
    }

    @Test func aServerWithoutRangesIsEnoughForSmallFiles() throws {
        let row = Row("file", Array("small and whole".utf8))
        try withMount([row]) { scenario, point in
            try scenario.server.can(scenario.target(row), FaultServer.Canned(status: 200, body: "small and whole"))
            #expect(try Files.read("\(point)/file", limit: 100) == row.content)
        }
    }

    @Test func fewOpenFilesAreEnough() throws {
        let rows = (0..<120).map { Row("file \($0)", Array("content \($0)".utf8)) }
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, rows)
            try scenario.succeed("sync", "--metadata-only")
            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            let program = try RunningProgram(
                "/bin/sh",
                [
                    bytes("-c"),
                    bytes("ulimit -n 64; exec \"$ICECORE\" mount --foreground \(point) --store \(scenario.store)"),
                ], environment: scenario.environment.merging(["ICECORE": scenario.program]) { $1 },
                currentDirectory: "/", outputs: "\(scenario.directory)/outputs")
            defer {
                program.kill(SIGTERM)
                _ = try? program.wait(seconds: 60)
                scenario.unmount(point)
            }
            #expect(Clock.wait(seconds: 60) { Scenario.isMounted(point) })
            for row in rows {
                #expect((try? Files.read("\(point)/\(row.key)", limit: 100)) == row.content, "\(row.key)")
            }
        }
    }
}
