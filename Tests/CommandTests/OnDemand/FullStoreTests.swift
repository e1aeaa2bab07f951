import Basics
import Foundation
import Testbed
import Testing

/// Contents that are read through a mount whose store has no room for them, or cannot be written to.
@Suite struct FullStoreTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let large = Row("large", RealBucket.content(seed: 3, count: 20 << 20))
    private static let small = (0..<6).map { Row("small/\($0)", bytes("content \($0)")) }

    private func sum(_ path: String) throws -> [UInt8] {
        let file = try File(path, O_RDONLY)
        var digest = MD5()
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return digest.finalize() }
            buffer[..<count].withUnsafeBytes { digest.update($0) }
        }
    }

    /// A store on a disk of 60 MiB that knows the rows and has none of their contents.
    private func use(_ body: (Scenario, _ point: String) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.withStore(on: .ext4(kibibytes: 60 << 10)) { point in
                try scenario.add(Self.name, [Self.large] + Self.small)
                try scenario.succeed("sync", "--metadata-only")
                try body(scenario, point)
            }
        }
    }

    private func unmount(_ scenario: Scenario, _ point: String) {
        scenario.unmount(point)
        #expect(Clock.wait(seconds: 20) { !Scenario.isMounted(point) })
    }

    @Test func aReadThatWouldFillTheDiskIsServedAndNotKept() throws {
        try use { scenario, disk in
            try scenario.fill(disk, leaving: 20 << 10)
            let point = try scenario.mount()
            #expect(try sum("\(point)/large") == MD5.digest(Self.large.content))
            #expect(try Files.read("\(point)/small/1", limit: 100) == Self.small[1].content)
            #expect(try Files.freeBytes(disk) > 1 << 20)
            unmount(scenario, point)
            let log = String(decoding: try Files.read("\(scenario.store)/mount.log", limit: 1 << 20), as: UTF8.self)
            #expect(log.contains("is not kept"), "\(log)")
            try scenario.succeed("sync", "--filter", "small")
            try scenario.succeed("prune", "--keep-last", "1")
        }
    }

    @Test func aDiskThatFillsUpWhileAFileIsReadFailsNoRead() throws {
        try use { scenario, disk in
            let point = try scenario.mount()
            var faults = FaultServer.Faults()
            faults.rate = 4 << 20
            try scenario.server.set(faults)
            let file = try File("\(point)/large", O_RDONLY)
            var first = [UInt8](repeating: 0, count: 4096)
            try first.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
            #expect(first == Array(Self.large.content[..<4096]))
            // Somebody else takes the rest.
            try scenario.fill(disk, leaving: 0)
            try scenario.server.set(FaultServer.Faults())
            #expect(try sum("\(point)/large") == MD5.digest(Self.large.content))
            for row in Self.small { #expect(try Files.read("\(point)/\(row.key)", limit: 100) == row.content) }
            unmount(scenario, point)
        }
    }

    @Test func whatAnInterruptedReadHasLeftMakesRoomForASyncAndAPrune() throws {
        for words in [["sync", "--filter", "small"], ["prune", "--keep-last", "1"]] {
            try use { scenario, disk in
                // As a killed daemon of an earlier version leaves it.
                let partial = "\(scenario.store)/tmp/partial-\(Hex.encode(MD5.digest(Self.large.content)))-\(20 << 20)"
                try Files.replace(partial, with: Array(Self.large.content[..<(8 << 20)]))
                #expect(truncate(partial, 20 << 20) == 0)
                try Files.replace("\(partial).log", with: bytes("icecore-partial 1\n0 \(8 << 20) -\n"))
                try Files.removeAll("\(scenario.store)/reserve")
                try scenario.fill(disk, leaving: 0)
                let run = try scenario.run(words + ["--store", scenario.store])
                #expect(run.status == 0, "\(run)")
                #expect(!Files.exists(partial))
            }
        }
    }

    @Test func aStoreOnAReadOnlyDiskIsReadAllTheSame() throws {
        try use { scenario, disk in
            func remount(_ mode: String) throws {
                let run = try scenario.shell("/bin/mount -o remount,\(mode) \(disk)")
                #expect(run.status == 0, "\(run)")
            }
            try remount("ro")
            let point = try scenario.mount()
            for row in Self.small { #expect(try Files.read("\(point)/\(row.key)", limit: 100) == row.content) }
            #expect(try sum("\(point)/large") == MD5.digest(Self.large.content))
            unmount(scenario, point)
            try remount("rw")
        }
    }

    /// The memory is bounded, whatever the size of what is read.
    @Test func aVeryLargeFileThatIsNotKeptTakesLittleMemory() throws {
        let size = 200 << 20
        let row = Row("synthetic/\(size)/x", []).with {
            $0.size = "\(size)"
            $0.etag = "0123456789abcdef0123456789abcdef-50"
            $0.encryption = "SSE-KMS"
        }
        try Scenario.withBucket { scenario in
            try scenario.withStore(on: .ext4(kibibytes: 60 << 10)) { _ in
                try scenario.folder.write(Self.name, [row])
                try scenario.succeed("sync", "--metadata-only")
                let point = try scenario.mount()
                let block = Array(SHA256.digest(bytes("\(size)/x")))
                let file = try File("\(point)/\(row.key)", O_RDONLY)
                var buffer = [UInt8](repeating: 0, count: 1 << 20)
                var most: Int64 = 0
                for offset in stride(from: Int64(0), to: Int64(size), by: 1 << 20) {
                    try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
                    #expect(buffer.starts(with: block) && Array(buffer.suffix(32)) == block, "\(offset)")
                    if offset % (16 << 20) == 0 { most = max(most, try memory()) }
                }
                #expect(most > 1 << 20 && most < 160 << 20, "\(most)")
                unmount(scenario, point)
            }
        }
    }

    /// How many bytes the program's files in memory take, in all of its processes.
    private func memory() throws -> Int64 {
        var sum: Int64 = 0
        for process in try Files.names(in: "/proc") where Int32(process) != nil {
            guard let names = try? Files.names(in: "/proc/\(process)/fd") else { continue }
            for descriptor in names {
                let path = "/proc/\(process)/fd/\(descriptor)"
                guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path),
                    target.contains("memfd:icecore")
                else { continue }
                var status = stat()
                if stat(path, &status) == 0 { sum += Int64(status.st_blocks) * 512 }
            }
        }
        return sum
    }
}
