import Basics
import Foundation
import Testbed
import Testing

/// Objects in storage classes that give nothing out before a restore.
@Suite struct ArchivedObjectTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let archived = FaultServer.Canned(
        status: 403,
        body: """
            <Error><Code>InvalidObjectState</Code><Message>The operation is not valid for the object's storage \
            class</Message></Error>
            """)
    private let warm = Row("warm", bytes("warm"))
    private let cold = Row("cold", bytes("cold content")).with { $0.storageClass = "GLACIER" }

    private func state(_ scenario: Scenario, _ key: String) throws -> String? {
        try scenario.succeed("versions", "--json", key).record["state"] as? String
    }

    private func status(_ scenario: Scenario, _ field: String) throws -> Int? {
        try scenario.succeed("status", "--json").records.first?[field] as? Int
    }

    /// An archive of 20 TB beside a warm object of four bytes.
    @Test func anArchiveLargerThanTheDiskDoesNotStopASync() throws {
        try Scenario.withBucket { scenario in
            let archive = (0..<20_000).map { number in
                Row("archive/\(number)", []).with {
                    $0.etag = Hex.encode(MD5.digest(Array("\(number)".utf8)))
                    $0.size = "1000000000"
                    $0.storageClass = number % 2 == 0 ? "GLACIER" : "DEEP_ARCHIVE"
                }
            }
            try scenario.folder.write(Self.name, [warm] + archive)
            try scenario.server.add(Scenario.bucket, [warm])
            try FileManager.default.removeItem(atPath: scenario.store)
            let look = try scenario.run(
                ["init", scenario.store, "--bucket", "s3://\(Scenario.bucket)", "--inventory", scenario.folder.url])
            #expect(look.status == 0 && !look.stderr.contains("must be fetched"), "\(look)")
            #expect(look.stderr.contains("archived objects"), "\(look)")
            try scenario.server.reset()
            let dry = try scenario.succeed("sync", "--dry-run")
            #expect(dry.text.contains(" 4 bytes"), "\(dry)")
            for round in 0..<2 {
                let run = try scenario.succeed("sync")
                #expect(run.stderr.isEmpty, "\(run)")
                #expect(run.text.split(separator: "\n").filter { $0.contains("archived") }.count == 1, "\(run)")
                #expect(run.text.contains("20000 versions") && run.text.contains("--archived fetch"), "\(run)")
                #expect(try scenario.requests() == [scenario.target(warm): 1], "round \(round)")
            }
            let status = try scenario.succeed("status")
            #expect(status.text.split(separator: "\n").count < 30, "\(status)")
            #expect(status.text.contains("archived:   20000 versions, 18.2 TiB"), "\(status)")
            #expect(try self.status(scenario, "archived") == 20_000)
            #expect(try self.status(scenario, "archivedBytes") == 20_000_000_000_000)
            #expect(try self.status(scenario, "missing") == 0)
            #expect(try scenario.succeed("snapshots", "--json").record["complete"] as? Bool == true)
            let verify = try scenario.succeed("verify")
            #expect(verify.stderr.contains("archived: 20000 versions"), "\(verify)")
            #expect(try scenario.succeed("cat", "warm").text == "warm")
            let cat = try scenario.run("cat", "archive/1")
            #expect(cat.status == 1 && cat.stderr.contains("archived"), "\(cat)")
        }
    }

    @Test func whatHasBeenRestoredIsFetchedWhenAskedFor() throws {
        try Scenario.withBucket { scenario in
            let restored = Row("restored", bytes("restored content")).with { $0.storageClass = "DEEP_ARCHIVE" }
            try scenario.add(Self.name, [warm, cold, restored])
            try scenario.server.can(scenario.target(cold), Self.archived)
            try scenario.succeed("sync")
            #expect(try scenario.requests()[scenario.target(restored)] == nil)
            #expect(try state(scenario, "restored") == "archived")

            let run = try scenario.succeed("sync", "--archived", "fetch")
            #expect(run.stderr.isEmpty && run.text.contains("none of these has been restored"), "\(run)")
            #expect(try scenario.succeed("cat", "restored").text == "restored content")
            #expect(try state(scenario, "restored") == "present")
            #expect(try state(scenario, "cold") == "archived")
            #expect(try scenario.requests()[scenario.target(cold)] == 1, "one request tells")
            #expect(try scenario.failures().isEmpty)

            try scenario.server.reset()
            try scenario.succeed("sync")
            #expect(try scenario.requests().isEmpty)
            // And with the next inventory.
            try scenario.folder.write("2024-03-03T01-00Z", [warm, cold, restored])
            try scenario.succeed("sync")
            #expect(try scenario.requests().isEmpty)
            #expect(try state(scenario, "restored") == "present")
        }
    }

    @Test func whatLeavesTheArchiveIsFetchedWithTheNextInventory() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [warm, cold])
            try scenario.succeed("sync")
            try scenario.folder.write("2024-03-03T01-00Z", [warm, cold.with { $0.storageClass = "STANDARD" }])
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "cold").text == "cold content")
            #expect(try state(scenario, "cold") == "present")
        }
    }

    /// Moved to an archive after the inventory was taken.
    @Test func whatTurnsOutToBeArchivedIsNoFailure() throws {
        try Scenario.withBucket { scenario in
            let moved = cold.with { $0.storageClass = "STANDARD" }
            try scenario.add(Self.name, [warm, moved])
            try scenario.server.can(scenario.target(moved), Self.archived)
            let run = try scenario.succeed("sync")
            #expect(run.stderr.isEmpty && run.text.contains("archived and not fetched: 1 version"), "\(run)")
            #expect(try state(scenario, "cold") == "archived")
            #expect(try status(scenario, "archived") == 1)
            #expect(try scenario.succeed("snapshots", "--json").record["complete"] as? Bool == true)
            try scenario.succeed("verify")
        }
    }

    @Test func anEmptyArchivedObjectNeedsNothing() throws {
        try Scenario.withBucket { scenario in
            let empty = Row("empty", []).with { $0.storageClass = "GLACIER" }
            let folder = Row("folder/", []).with { $0.storageClass = "DEEP_ARCHIVE" }
            try scenario.add(Self.name, [warm, empty, folder])
            let run = try scenario.succeed("sync")
            #expect(!run.text.contains("archived"), "\(run)")
            #expect(try state(scenario, "empty") == "present")
            #expect(try scenario.succeed("cat", "empty").stdout.isEmpty)
        }
    }

    @Test func aContentThatIsWarmUnderAnotherKeyIsThere() throws {
        try Scenario.withBucket { scenario in
            let copy = Row("copy", cold.content)
            try scenario.add(Self.name, [warm, cold, copy])
            try scenario.succeed("sync")
            #expect(try state(scenario, "cold") == "present")
            #expect(try scenario.succeed("cat", "cold").text == "cold content")
        }
    }

    @Test func aContentThatArrivesLaterUnderAnotherKeyIsThere() throws {
        try Scenario.withBucket { scenario in
            let lost = Row("lost", bytes("lost for a while"))
            try scenario.folder.write(Self.name, [warm, cold, lost])
            try scenario.server.add(Scenario.bucket, [warm])
            try scenario.succeed("sync")
            #expect(try state(scenario, "cold") == "archived")
            #expect(try state(scenario, "lost") == "gone")
            // The next day lists neither, and has both contents under other keys.
            let copies = [Row("copy of cold", cold.content), Row("copy of lost", lost.content)]
            try scenario.add("2024-03-03T01-00Z", [warm] + copies)
            try scenario.succeed("sync")
            for row in [cold, lost] {
                #expect(try state(scenario, row.key) == "present")
                #expect(try scenario.succeed("cat", "--at", Self.name, row.key).stdout == row.content)
            }
            for field in ["archived", "gone", "missing"] { #expect(try status(scenario, field) == 0, "\(field)") }
            #expect(try scenario.failures().isEmpty)
            try scenario.succeed("verify")
            // As in a replica.
            let replica = "file://\(scenario.directory)/replica"
            try scenario.succeed("push", replica)
            let read = try scenario.run(["cat", "--replica", replica, "--at", Self.name, "cold"])
            #expect(read.stdout == cold.content, "\(read)")
        }
    }

    @Test func aMountAsksForAnArchivedFileThatIsRead() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [warm, cold])
            try scenario.succeed("sync")
            let mount = try scenario.mount()
            try scenario.server.can(scenario.target(cold), Self.archived)
            #expect((try? Files.read("\(mount)/cold", limit: 100)) == nil)
            let requests = try #require(try scenario.requests()[scenario.target(cold)])
            #expect(requests <= 2, "the kernel asks twice for a page that it cannot have, and each time once is enough")
            let log = String(decoding: try Files.read("\(scenario.store)/mount.log", limit: 1 << 20), as: UTF8.self)
            #expect(log.contains("archived") || log.contains("storage class"), "\(log)")
            try scenario.server.reset()
            #expect(Clock.wait(seconds: 30) { (try? Files.read("\(mount)/cold", limit: 100)) == cold.content })
        }
    }

    @Test func aRepairAsksForADamagedContentThatIsArchivedByNow() throws {
        try Scenario.withBucket { scenario in
            let before = cold.with { $0.storageClass = "STANDARD" }
            try scenario.add(Self.name, [warm, before])
            try scenario.succeed("sync")
            try scenario.folder.write("2024-03-03T01-00Z", [warm, cold])
            try scenario.succeed("sync")
            #expect(try state(scenario, "cold") == "present", "what is here stays here")

            try Scenario.change(scenario.blob(cold)) { $0[0] ^= 1 }
            try scenario.server.can(scenario.target(cold), Self.archived)
            let run = try scenario.run("verify", "--repair")
            #expect(run.status == 3 && run.text.contains("archived"), "\(run)")
            try scenario.succeed("verify")
            #expect(try state(scenario, "cold") == "archived")

            try scenario.server.reset()
            try scenario.succeed("sync", "--archived", "fetch")
            #expect(try scenario.succeed("cat", "cold").text == "cold content")
        }
    }
}
