import Basics
import Foundation
import Testbed
import Testing

/// Surroundings in which few people run a program.
@Suite struct OddEnvironmentTests {
    private func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.use { scenario in
            let folder = try InventoryFolder("\(scenario.directory)/inventories", bucket: "bucket")
            try folder.write(
                "2024-03-02T01-00Z", ["a", "caf\u{e9}", "cafe\u{301}"].map { InventoryFolder.Row($0, []) })
            try scenario.initialize("bucket", inventory: folder.url)
            try scenario.succeed("sync")
            try body(scenario)
        }
    }

    @Test func whatIsPrintedToAClosedOutputGoesIntoNoFile() throws {
        try use { scenario in
            let before = try StoreDigest.of(scenario.store)
            for words in [["sync", "--headers", "none"], ["snapshots"], ["ls", "-R"], ["status"]] {
                for stdout in [RunningProgram.Destination.closed, .path("/dev/full")] {
                    let run = try scenario.run(words + ["--store", scenario.store], stdout: stdout)
                    #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                    #expect(run.stderr.contains("cannot write to 'standard output'"), "\(run)")
                }
            }
            let lock = try Files.read("\(scenario.store)/lock", limit: 4096)
            #expect(try JSONSerialization.jsonObject(with: Data(lock)) is [String: Any])
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            // A mount needs no output.
            let point = "\(scenario.directory)/closed"
            try Files.createDirectory(point)
            defer { scenario.unmount(point) }
            let run = try scenario.run(["mount", point, "--store", scenario.store], stdout: .closed, seconds: 20)
            #expect(run.status == 0, "\(run)")
            #expect(Scenario.isMounted(point))
        }
    }

    @Test func whatIsNotUTF8IsRefusedAndMistakenForNothing() throws {
        try use { scenario in
            let path = bytes("\(scenario.directory)/not-\u{fffd}")
            let notUTF8 = bytes("\(scenario.directory)/not-") + [0xff]
            for words in [
                [bytes("versions"), notUTF8, bytes("--store"), bytes(scenario.store)],
                [bytes("init"), notUTF8, bytes("--bucket"), bytes("s3://bucket")],
            ] {
                let run = try scenario.start(words).wait()
                #expect(run.status == 64 && run.complaints.count == 1 && run.stderr.contains("UTF-8"), "\(run)")
            }
            #expect(!Files.exists(String(decoding: path, as: UTF8.self)))
        }
    }

    @Test func aStoreIsFoundByWhateverPathLeadsToIt() throws {
        try use { scenario in
            let moved = "\(scenario.directory)/a place with spaces"
            try Files.createDirectory(moved)
            try Files.rename(scenario.store, "\(moved)/the store")
            let link = "\(scenario.directory)/link"
            #expect(symlink("a place with spaces/the store", link) == 0)
            for path in [
                "\(moved)/the store", "\(moved)/the store/", "a place with spaces/the store", "link", "./link/", link,
            ] {
                #expect(try scenario.run(["ls", "--store", path]).status == 0, "\(path)")
            }
            let inside = "\(moved)/the store/blobs/00"
            #expect(try scenario.run(["ls"], in: inside).status == 0)
            #expect(try scenario.run(["ls"], environment: ["ICECORE_STORE": link]).status == 0)
            #expect(try scenario.run(["ls", "--store", link], environment: ["HOME": "", "PATH": ""]).status == 0)
            #expect(try scenario.run(["sync", "--store", link], environment: ["HOME": ""]).status == 0)
        }
    }

    @Test func keysThatDifferOnlyInNormalizationAreTwo() throws {
        try use { scenario in
            #expect(try scenario.succeed("ls", "-R", "--json").records.count == 3)
            #expect(try scenario.succeed("versions", "--json", "caf\u{e9}").records.count == 1)
            let mount = try scenario.mount()
            #expect(try SeenTree(mount).files.count == 3)
        }
    }

    @Test func inventoriesOfNothingAreInventories() throws {
        try use { scenario in
            let folder = try InventoryFolder("\(scenario.directory)/inventories", bucket: "bucket")
            try folder.write("2024-03-03T01-00Z", [], files: 0)
            try folder.write("2024-03-04T01-00Z", [], files: 1)
            for date in ["2024-03-03", "2024-03-04"] {
                #expect(try scenario.succeed("sync", "--json", "--date", date).record["keys"] as? Int == 0)
            }
            #expect(try scenario.succeed("ls").text.isEmpty)
            #expect(try scenario.succeed("ls", "--at", "2024-03-02").text.split(separator: "\n").count == 3)
            let mount = try scenario.mount()
            #expect(try SeenTree(mount).files.isEmpty)
        }
    }
}
