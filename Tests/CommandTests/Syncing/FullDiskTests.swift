import Basics
import Foundation
import Testbed
import Testing

/// A store on a file system that is too small.
@Suite struct FullDiskTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"

    private func run(_ program: String, _ words: [String], in directory: String) throws {
        let run = try RunningProgram(
            program, words.map { Array($0.utf8) }, environment: [:], currentDirectory: "/", outputs: directory
        ).wait(seconds: 20)
        guard run.status == 0 else { throw TestbedError("\(run)") }
    }

    /// Has the store on a file system of its own, of so many kibibytes.
    private func use(
        kibibytes: Int, packBelow: String = "0", _ body: (Scenario, _ grow: (Int) throws -> Void) throws -> Void
    ) throws {
        try Scenario.withBucket { scenario in
            let outputs = "\(scenario.directory)/outputs"
            let point = "\(scenario.directory)/small"
            try Files.createDirectory(point)
            try run("/bin/mount", ["-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", point], in: outputs)
            defer {
                unlink(scenario.store)
                try? run("/bin/umount", ["-l", point], in: outputs)
            }
            try FileManager.default.removeItem(atPath: scenario.store)
            try Files.createDirectory("\(point)/store")
            symlink("\(point)/store", scenario.store)
            try scenario.initialize(
                Scenario.bucket, inventory: scenario.folder.url, "--pack-below", packBelow)
            try body(scenario) { kibibytes in
                try run("/bin/mount", ["-o", "remount,size=\(kibibytes)k", point], in: outputs)
            }
            try scenario.expectNoSecretInFiles()
        }
    }

    private func expectNothingButOneSentence(_ scenario: Scenario, _ run: Run) throws {
        #expect(run.status == 1 && run.stdout.isEmpty && run.complaints.count == 1, "\(run)")
        #expect(try scenario.succeed("ls", "-R").text == "before\n")
        #expect(try scenario.succeed("cat", "before").text == "was there before")
        #expect(try scenario.succeed("snapshots", "--json").records.count == 1)
        #expect(try scenario.succeed("status", "--json").records.count == 1)
    }

    /// A sync of a store that holds one object already.
    private func expectRecovery(_ rows: [Row], kibibytes: Int, says: String) throws {
        try use(kibibytes: kibibytes) { scenario, grow in
            let before = Row("before", bytes("was there before"))
            try scenario.add("2024-03-01T01-00Z", [before])
            try scenario.succeed("sync")
            try scenario.add(Self.name, [before] + rows)
            let run = try scenario.run("sync")
            try expectNothingButOneSentence(scenario, run)
            #expect(run.stderr.contains(says), "\(run)")
            // Again, with what the first attempt has left.
            try expectNothingButOneSentence(scenario, try scenario.run("sync"))
            try grow(65536)
            try scenario.succeed("sync")
            #expect(try scenario.blobs.count == rows.count + 1)
            #expect(try scenario.failures().isEmpty)
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
            for row in rows.prefix(3) { #expect(try scenario.succeed("cat", row.key).stdout == row.content) }
        }
    }

    @Test func whatCannotFitIsNotBegun() throws {
        let rows = (0..<4).map { Row("large/\($0)", [UInt8](repeating: UInt8($0), count: 1 << 20)) }
        try expectRecovery(rows, kibibytes: 3000, says: "bytes must be fetched")
    }

    @Test(arguments: ["0", "1000"]) func aDiskThatFillsUpOnTheWayEndsTheSync(packBelow: String) throws {
        let rows = (0..<1200).map { Row("small/\($0)", bytes("content \($0)")) }
        try use(kibibytes: 20_000, packBelow: packBelow) { scenario, grow in
            let before = Row("before", bytes("was there before"))
            try scenario.add("2024-03-01T01-00Z", [before])
            try scenario.succeed("sync")
            try scenario.add(Self.name, [before] + rows)
            // Somebody else fills the disk while the first objects arrive.
            var faults = FaultServer.Faults()
            faults.latency = 0.2
            try scenario.server.set(faults)
            let process = try scenario.start(["sync", "--store", scenario.store, "--jobs", "4"])
            #expect(try Clock.wait(seconds: 30) { try scenario.requests().count > 8 })
            let filler = try File("\(scenario.directory)/small/filler", O_RDWR | O_CREAT | O_TRUNC)
            let descriptor = filler.descriptor
            // What the sync takes meanwhile is not free any more.
            let isFull = try Clock.wait(seconds: 10) {
                posix_fallocate(descriptor, 0, off_t(try Files.freeBytes("\(scenario.directory)/small"))) == 0
            }
            #expect(isFull)
            let run = try process.wait()
            try expectNothingButOneSentence(scenario, run)
            #expect(run.stderr.contains("No space left on device") || run.stderr.contains("disk is full"), "\(run)")
            // Again, with what the first attempt has left.
            try expectNothingButOneSentence(scenario, try scenario.run("sync"))
            try grow(65536)
            try scenario.server.set(FaultServer.Faults())
            try scenario.succeed("sync")
            let status = try #require(try scenario.succeed("status", "--json").records.first)
            #expect(status["blobs"] as? Int == rows.count + 1)
            #expect(try scenario.failures().isEmpty)
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
            for row in rows.prefix(3) { #expect(try scenario.succeed("cat", row.key).stdout == row.content) }
        }
    }
}
