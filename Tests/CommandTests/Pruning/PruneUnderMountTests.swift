import Basics
import Foundation
import Glibc
import Testbed
import Testing

/// A prune of a store that is mounted, by people who read what it drops.
@Suite struct PruneUnderMountTests {
    typealias Row = InventoryFolder.Row

    private static let days = ["2024-03-02T01-00Z", "2024-03-04T01-00Z"]

    /// Syncs a day on which other versions are there, and prunes the first.
    private func replaceAll(_ scenario: Scenario, _ keys: [String], _ words: String...) throws {
        let newer = keys.map { Row($0, bytes("newer"), at: "2024-03-03T12:00:00.000Z") }
        try scenario.add(Self.days[1], newer)
        let sync = try scenario.run(["sync", "--store", scenario.store, "--date", Self.days[1]] + words)
        try #require(sync.status == 0, "\(sync)")
        try scenario.succeed("prune", "--keep-last", "1")
    }

    private func read(_ file: borrowing File, _ count: Int, at offset: Int64) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
        return bytes
    }

    private func log(_ scenario: Scenario) throws -> String {
        String(decoding: try Files.read("\(scenario.store)/mount.log", limit: 1 << 20), as: UTF8.self)
    }

    @Test(arguments: [[], ["--no-passthrough"]])
    func aFileThatIsBeingReadStaysReadable(_ words: [String]) throws {
        try Scenario.withBucket { scenario in
            let row = Row("large", RealBucket.content(seed: 11, count: 9 << 20))
            let idle = Row("idle", RealBucket.content(seed: 12, count: 3 << 20))
            try scenario.add(Self.days[0], [row, idle])
            try scenario.succeed("sync")
            let point = words.isEmpty ? try scenario.mount() : try scenario.mount(words[0])
            let file = try File("\(point)/large", O_RDONLY)
            let unread = try File("\(point)/idle", O_RDONLY)
            #expect(try read(file, 1 << 20, at: 0).elementsEqual(row.content[..<(1 << 20)]))
            try replaceAll(scenario, ["large", "idle"])
            #expect(try scenario.blobs.count == 1)
            #expect(Clock.wait(seconds: 60) { (try? Files.read("\(point)/large", limit: 100)) == bytes("newer") })
            // The kernel has none of it any more.
            try Data("3\n".utf8).write(to: URL(fileURLWithPath: "/proc/sys/vm/drop_caches"))
            for offset in stride(from: 0, to: row.content.count, by: 1 << 20) {
                let expected = row.content[offset..<offset + 1 << 20]
                #expect(try read(file, 1 << 20, at: Int64(offset)).elementsEqual(expected), "\(offset)")
            }
            if words.isEmpty {
                #expect(try read(unread, 1 << 20, at: 0).elementsEqual(idle.content[..<(1 << 20)]))
            } else {
                // Nobody had read it, so nothing is known of it.
                var isRead = true
                do { _ = try read(unread, 1 << 20, at: 0) } catch { isRead = false }
                let log = try log(scenario)
                #expect(!isRead && log.contains("a prune"), "\(log)")
            }
            try file.close()
            try unread.close()
        }
    }

    @Test func aFileThatAnExportHasLinkedStaysReadable() throws {
        try Scenario.withBucket { scenario in
            let row = Row("large", RealBucket.content(seed: 13, count: 4 << 20))
            try scenario.add(Self.days[0], [row])
            try scenario.succeed("sync")
            let target = "\(scenario.directory)/target"
            try scenario.succeed("export", target, "--link", "hard")
            let point = try scenario.mount("--no-passthrough")
            let file = try File("\(point)/large", O_RDONLY)
            #expect(try read(file, 1 << 20, at: 0).elementsEqual(row.content[..<(1 << 20)]))
            try replaceAll(scenario, ["large"])
            #expect(Clock.wait(seconds: 60) { (try? Files.read("\(point)/large", limit: 100)) == bytes("newer") })
            try Data("3\n".utf8).write(to: URL(fileURLWithPath: "/proc/sys/vm/drop_caches"))
            #expect(try read(file, 4 << 20, at: 0).isSame(as: row.content))
            #expect(try Files.read("\(target)/large", limit: 8 << 20).isSame(as: row.content))
            try file.close()
        }
    }

    /// A repair that cannot fetch a damaged content again has moved it aside all the same.
    @Test(arguments: [false, true]) func whatWasFoundDamagedIsServedNoMore(_ isCleared: Bool) throws {
        try Scenario.withBucket { scenario in
            let row = Row("large", RealBucket.content(seed: 14, count: 4 << 20))
            try scenario.add(Self.days[0], [row])
            try scenario.succeed("sync")
            // As an export leaves it, which changes nothing.
            link(scenario.blob(row), "\(scenario.directory)/other name")
            let point = try scenario.mount("--no-passthrough", "--offline")
            let file = try File("\(point)/large", O_RDONLY)
            #expect(try read(file, 1 << 20, at: 0).elementsEqual(row.content[..<(1 << 20)]))
            try Scenario.change(scenario.blob(row)) { $0[3 << 20] ^= 1 }
            try scenario.server.takeAway(Scenario.bucket)
            let repair = try scenario.run("verify", "--repair", "--accept-gone")
            #expect(repair.status != 0 && !Files.exists(scenario.blob(row)), "\(repair)")
            if isCleared {
                unlink("\(scenario.directory)/other name")
                for name in try Files.names(in: "\(scenario.store)/quarantine") {
                    try Files.remove("\(scenario.store)/quarantine/\(name)")
                }
            }
            // What the thread of the last read had open is closed with the next commit.
            #expect(
                Clock.wait(seconds: 30) {
                    try? Data("3\n".utf8).write(to: URL(fileURLWithPath: "/proc/sys/vm/drop_caches"))
                    return (try? read(file, 1 << 20, at: 3 << 20)) == nil
                })
            try file.close()
        }
    }

    /// The piece of a content that a mount is fetching while a prune drops it: nobody will ask for it again.
    @Test(arguments: [true, false]) func noPieceOfADroppedContentStays(_ isKilled: Bool) throws {
        try Scenario.withBucket { scenario in
            let object = SyntheticObject(name: "large", size: 100 << 20, partSize: 5 << 20)
            try scenario.add(Self.days[0], [object.row()])
            try scenario.succeed("sync", "--metadata-only")
            let point = try scenario.mount()
            let path = "\(point)/\(object.key)"
            let file = try File(path, O_RDONLY)
            #expect(try read(file, 1 << 20, at: 50 << 20) == object.bytes(50 << 20, 1 << 20))
            // Somebody waits for the next piece, so that the mount is still at it.
            var faults = FaultServer.Faults()
            faults.stall = 1
            try scenario.server.set(faults)
            let reader = try RunningProgram(
                "/usr/bin/tail", ["-c", "1000", path].map { Array($0.utf8) }, environment: [:], currentDirectory: "/",
                outputs: "\(scenario.directory)/outputs")
            usleep(300_000)
            try replaceAll(scenario, [object.key], "--metadata-only")
            let tmp = "\(scenario.store)/tmp"
            #expect(try Files.names(in: tmp).count == 2)
            if isKilled {
                let number = try #require(
                    try log(scenario).firstMatch(of: /icecore\[([0-9]+)\]/).flatMap { Int32($0.1) })
                #expect(kill(number, SIGKILL) == 0)
                #expect(Clock.wait(seconds: 60) { reader.hasEnded })
                #expect(try Files.names(in: tmp).count == 2)
                try scenario.succeed("sync", "--metadata-only")
                #expect(try Files.names(in: tmp) == [])
            } else {
                reader.kill(SIGKILL)
                try scenario.server.set(FaultServer.Faults())
                #expect(try Clock.wait(seconds: 60) { try Files.names(in: tmp).isEmpty })
            }
            try file.close()
        }
    }
}
