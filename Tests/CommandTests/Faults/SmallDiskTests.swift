import Basics
import Foundation
import Testbed
import Testing

/// Stores and targets on file systems that fill up while something is written to them: a sentence each, nothing is lost, and
/// with room the same command comes to its end.
@Suite struct SmallDiskTests {
    typealias Row = InventoryFolder.Row

    private static let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"
    private static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z", "2024-03-04T01-00Z"]

    private func run(_ program: String, _ words: [String], in directory: String) throws {
        let run = try RunningProgram(
            program, words.map { Array($0.utf8) }, environment: [:], currentDirectory: "/", outputs: directory
        ).wait(seconds: 20)
        guard run.status == 0 else { throw TestbedError("\(run)") }
    }

    /// Makes a file system of so many kibibytes, for as long as `body` runs.
    private func withDisk(_ scenario: Scenario, kibibytes: Int, _ body: (String) throws -> Void) throws {
        let outputs = "\(scenario.directory)/outputs"
        let point = "\(scenario.directory)/small"
        try Files.createDirectory(point)
        try run("/bin/mount", ["-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", point], in: outputs)
        defer { try? run("/bin/umount", ["-l", point], in: outputs) }
        try body(point)
    }

    /// Fills a file system, but for so many kibibytes.
    private func fill(_ point: String, leaving kibibytes: Int) throws {
        let filler = try File("\(point)/filler", O_RDWR | O_CREAT | O_TRUNC)
        let length = try Files.freeBytes(point) - Int64(kibibytes) << 10
        let descriptor = filler.descriptor
        try systemCall("cannot fill", point) { posix_fallocate(descriptor, 0, off_t(max(4096, length))) == 0 ? 0 : -1 }
    }

    private func views(_ scenario: Scenario) throws -> [[UInt8]] {
        try Self.names.map { try scenario.succeed("ls", "-R", "--json", "--at", $0).stdout }
            + [try scenario.succeed("snapshots", "--json").stdout]
    }

    /// Enough rows that each command writes more than the least of the disks has room for.
    private func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            var rows = (0..<400).map { Row("many/\($0 % 7)/key-\($0)", bytes("content \($0 % 60)")) }
            for (day, name) in Self.names.enumerated() {
                for place in rows.indices where place % 3 == day {
                    rows[place] = Row(
                        rows[place].key, bytes("newer \(place % 60) \(day)"), at: "2024-03-0\(day + 1)T02:00:00.000Z")
                }
                try scenario.add(name, rows)
                try scenario.succeed("sync")
            }
            try body(scenario)
        }
    }

    @Test(arguments: ["prune", "repair", "reindex", "sync"])
    func aStoreWithoutRoomStaysWhatItIs(command: String) throws {
        try use { scenario in
            let store = scenario.store
            let views = try views(scenario)
            let saved = "\(scenario.directory)/saved"
            try Files.rename(store, saved)
            let words =
                switch command {
                case "prune": ["prune", "--store", store, "--keep-last", "1"]
                case "repair": ["verify", "--store", store, "--repair"]
                case "reindex": ["reindex", "--store", store]
                default: ["sync", "--store", store]
                }
            try withDisk(scenario, kibibytes: 32 << 10) { point in
                try Files.createDirectory("\(point)/store")
                symlink("\(point)/store", store)
                defer { unlink(store) }
                if command == "sync" {
                    try scenario.add(
                        "2024-03-05T01-00Z", (0..<400).map { Row("all/new/\($0)", bytes("new content \($0)")) })
                }
                var (failed, succeeded) = (0, 0)
                for free in Self.isSoak
                    ? [0, 4, 8, 16, 24, 40, 64, 96, 128, 192, 256, 16 << 10] : [0, 24, 256, 16 << 10]
                {
                    try? FileManager.default.removeItem(atPath: "\(point)/store")
                    try FileManager.default.copyItem(atPath: saved, toPath: "\(point)/store")
                    if command == "repair" {
                        for path in try StoreDigest.files("\(store)/blobs").prefix(40) {
                            try Scenario.change("\(store)/blobs/\(path)") { $0[0] ^= 1 }
                        }
                    }
                    try fill(point, leaving: free)
                    let run = try scenario.run(words)
                    if run.status == 0 {
                        succeeded += 1
                    } else {
                        failed += 1
                        #expect((1...3).contains(run.status), "\(free) KiB: \(run)")
                        #expect(
                            run.stderr.contains("No space left on device") || run.stderr.contains("disk is full")
                                || run.stderr.contains("bytes must be fetched")
                                || run.stderr.contains("the sync needs"), "\(free) KiB: \(run)")
                        #expect(run.complaints.filter { $0.hasPrefix("icecore: ") }.count >= 1, "\(free) KiB: \(run)")
                    }
                    if command != "prune" || run.status != 0 {
                        // Nothing that there was before is hidden or lost.
                        let seen = try self.views(scenario)
                        if command != "prune" || seen.last == views.last {
                            #expect(seen.prefix(3).elementsEqual(views.prefix(3), by: ==), "\(free) KiB")
                        }
                    }
                    // With room, all is well.
                    try Files.remove("\(point)/filler")
                    if run.status != 0 { #expect(try scenario.run(words).status == 0, "\(free) KiB") }
                    let verify = try scenario.run("verify", "--json")
                    #expect(verify.status == 0 && verify.stdout.isEmpty, "\(free) KiB: \(verify)")
                    #expect(try Files.names(in: "\(store)/tmp").isEmpty, "\(free) KiB")
                }
                // A prune has a reserve, which is enough for this one.
                #expect((failed > 0 || command == "prune") && succeeded > 0, "\(failed) failed, \(succeeded) succeeded")
            }
        }
    }

    @Test func anExportThatFillsItsDiskGoesOnWithMoreRoom() throws {
        try use { scenario in
            let before = try StoreDigest.of(scenario.store)
            try withDisk(scenario, kibibytes: 4 << 10) { point in
                let target = "\(point)/target"
                for free in [0, 4, 40, 400] {
                    try fill(point, leaving: free)
                    let run = try scenario.run("export", target)
                    #expect(run.status == 1 && run.complaints.count == 1, "\(free) KiB: \(run)")
                    #expect(run.stderr.contains("No space left on device"), "\(free) KiB: \(run)")
                    try Files.remove("\(point)/filler")
                }
                let run = try scenario.succeed("export", target, "--json")
                #expect(try run.record["files"] as? Int == 400)
                #expect(try exported(target).count == 400)
                for row in [("many/0/key-7", "newer 7 1"), ("many/3/key-3", "newer 3 0")] {
                    #expect(try Files.read("\(target)/\(row.0)", limit: 100) == bytes(row.1))
                }
            }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
        }
    }
}
