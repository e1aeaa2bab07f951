import Basics
import Foundation
import Testbed
import Testing

/// A store whose contents are in an object store: Ceph's gateway.
@Suite struct ObjectStoreTests {
    @Test func everyViewIsThatOfAnOrdinaryStoreAndContentsAreReadWhereTheyAre() throws {
        try Scenario.withContents { scenario in
            let distant = try ObjectStoreScenario(scenario, RGWServer.shared())
            for name in Scenario.inventoryNames { try distant.sync("--date", name) }
            try distant.expectWhole()

            // The store itself is read like a replica: what is asked for comes, and no more.
            for key in ["small/2/2", "parted", "secret", "empty", "shared/b"] {
                let content = try scenario.run(["cat", key, "--store", distant.store])
                #expect(content.status == 0, "\(content)")
                #expect(content.stdout.isSame(as: try scenario.row(key).content), "\(key)")
            }
            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            scenario.noteMount(point)
            let mount = try scenario.run(["mount", point, "--store", distant.store])
            try #require(mount.status == 0, "\(mount)")
            for row in scenario.rows where row.isLatest && !row.isMarker {
                #expect(try Files.read("\(point)/\(row.key)", limit: 1 << 28).isSame(as: row.content), "\(row.key)")
            }
            scenario.unmount(point)

            // What is there is what is known to be there.
            let sound = try scenario.run(["verify", "--cheap", "--store", distant.store])
            #expect(sound.status == 0 && sound.stdout.isEmpty, "\(sound)")

            // Nothing new: nothing is fetched, and nothing pushed.
            try scenario.server.reset()
            let before = try distant.listing().filter { $0.hasPrefix("snapshots/") }
            try distant.sync("--date", Scenario.inventoryNames[1])
            #expect(try scenario.requests().isEmpty)
            #expect(try distant.listing().filter { $0.hasPrefix("snapshots/") } == before)

            let pack = try #require(try distant.listing().first { $0.hasPrefix("packs/") })
            _ = try distant.admin.delete(distant.place.bucketName, "some/prefix/\(pack)")
            let short = try scenario.run(["verify", "--cheap", "--store", distant.store])
            #expect(short.status == 3 && short.text.contains(pack), "\(short)")
        }
    }

    @Test func aReplicaOfItIsReadByThoseWhoHaveNothingOfTheStore() throws {
        try Scenario.withContents(small: 10) { scenario in
            let distant = try ObjectStoreScenario(scenario, RGWServer.shared())
            for name in Scenario.inventoryNames { try distant.sync("--date", name) }
            let point = "\(scenario.directory)/mnt"
            try scenario.mountReplica(distant.place, point)
            #expect(try Files.read("\(point)/small/2/2", limit: 1000) == scenario.row("small/2/2").content)
            #expect(try Files.read("\(point)/parted", limit: 1 << 28).isSame(as: scenario.row("parted").content))
            scenario.unmount(point)
        }
    }

    /// Who finds a place taken, and what makes no sense here, hears why.
    @Test func whatMakesNoSenseIsRefusedInASentence() throws {
        try Scenario.withContents(small: 3) { scenario in
            let distant = try ObjectStoreScenario(scenario, RGWServer.shared())
            let early = try distant.startWork("--once").wait()
            #expect(early.status != 0 && early.stderr.contains("there is no store at"), "\(early)")
            try distant.sync("--date", Scenario.inventoryNames[0])
            let second = try scenario.run(
                [
                    "init", "\(scenario.directory)/other", "--bucket", "s3://\(Scenario.bucket)", "--inventory",
                    scenario.folder.url,
                ] + distant.blobs)
            #expect(second.status != 0 && second.stderr.contains("choose another prefix"), "\(second)")
            for words in [
                ["pack"], ["export", "\(scenario.directory)/out"], ["verify"], ["prune", "--keep-last", "1"],
                ["push", "file://\(scenario.directory)/r"], ["reindex"], ["adopt", scenario.directory],
            ] {
                let run = try scenario.run([words[0], "--store", distant.store] + words.dropFirst())
                #expect(run.status != 0 && run.stderr.contains(distant.place.url), "\(run)")
            }
            // Neither works on a plan of a newer format.
            let plan = "some/prefix/work/20990101T000000Z-0123456789ab/plan.json"
            _ = try distant.admin.put(distant.place.bucketName, plan, bytes("{\"format\":2}"))
            let work = try distant.startWork("--once").wait()
            let sync = try scenario.run(["sync", "--store", distant.store, "--date", Scenario.inventoryNames[1]])
            for run in [work, sync] {
                #expect(run.status != 0 && run.stderr.contains("install a newer icecore"), "\(run)")
            }
            _ = try distant.admin.delete(distant.place.bucketName, plan)

            // A program that does not know such stores refuses by the format.
            let text = String(decoding: try Files.read("\(distant.store)/icecore.json", limit: 1 << 20), as: UTF8.self)
            #expect(text.contains("\"format\" : 5"), "\(text)")
        }
    }

    @Test func workersHelpASyncAndNothingIsThereTwice() throws {
        try Scenario.withContents(small: 3) { scenario in
            let distant = try ObjectStoreScenario(scenario, RGWServer.shared())
            try distant.sync("--date", Scenario.inventoryNames[0])
            let name = "2024-03-05T01-00Z"
            scenario.rows += (0..<1500).map {
                InventoryFolder.Row("many/\($0)", bytes("many \($0)"), at: "2024-03-04T12:00:00.000Z")
            }
            try scenario.add(name, scenario.rows)
            try scenario.succeed("sync", "--date", name)
            try distant.sync("--date", Scenario.inventoryNames[1])
            let workers = try (0..<3).map { _ in try distant.startWork() }
            try distant.sync("--date", name)
            var done = Set<String>()
            for path in try distant.listing().filter({ $0.hasSuffix(".done") }) {
                let packed = try distant.admin.get(distant.place.bucketName, "some/prefix/\(path)")
                done.insert(path)
                #expect(!packed.isEmpty)
            }
            #expect(done.count >= 11, "\(done)")
            for worker in workers {
                worker.kill(SIGINT)
                #expect(try worker.wait().status != 0)
            }
            try distant.expectWhole()
            try distant.expectNoCredentials()
        }
    }
}
