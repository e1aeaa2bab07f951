import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// The inventories that a store keeps, and the index that is made from them.
@Suite struct ReindexTests {
    @Test func theIndexIsMadeAgainFromWhatTheStoreKeeps() throws {
        try Scenario.withContents { scenario in
            let views = try scenario.views()
            let status = try scenario.succeed("status", "--json").records.first
            try FileManager.default.removeItem(atPath: scenario.folder.path)
            // As it is; with damage in the middle; and gone altogether.
            for damage in 0..<3 {
                let path = "\(scenario.store)/index.sqlite"
                for suffix in ["-wal", "-shm"] { try Files.remove(path + suffix) }
                if damage == 1 { try Scenario.change(path) { for place in 9000..<13000 { $0[place] = 0xA5 } } }
                if damage == 2 { try Files.remove(path) }
                let run = try scenario.succeed("reindex")
                #expect(run.text.contains("2 inventories"), "\(run)")
                // What only objects have said of headers is lost with the index.
                func told(_ views: [[UInt8]]) -> [String] {
                    views.map {
                        let text = String(decoding: $0, as: UTF8.self)
                        return damage == 2 ? text.replacing(#/,"headers":.*/#, with: "") : text
                    }
                }
                #expect(try told(scenario.views()) == told(views))
                #expect(try scenario.findings(status: 0).isEmpty)
                #expect(try scenario.succeed("cat", "secret").text == "encrypted")
                if damage == 0 {
                    let after = try scenario.succeed("status", "--json").records.first
                    for name in ["versions", "versionBytes", "blobs", "blobBytes", "keys", "missing"] {
                        #expect(after?[name] as? Int == status?[name] as? Int, "\(name)")
                    }
                }
                #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
            }
            #expect(try Files.names(in: "\(scenario.store)/quarantine").count == 2)
        }
    }

    @Test func whatIsGoneForGoodStaysGone() throws {
        try Scenario.withContents { scenario in
            let row = try scenario.row("small/2/2")
            let body = "<Error><Code>NoSuchVersion</Code><Message>gone</Message></Error>"
            try scenario.server.can(scenario.target(row), .init(status: 404, body: body))
            try Files.remove(scenario.blob(row))
            _ = try scenario.findings("--repair", status: 1)
            try scenario.succeed("reindex")
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(try scenario.run("cat", row.key).stderr.contains("gone"))
        }
    }

    @Test func onlySoManyInventoriesAreKeptAsAskedFor() throws {
        try Scenario.withContents { scenario in
            let kept = "\(scenario.store)/inventories"
            #expect(try Files.names(in: kept) == Scenario.inventoryNames)
            let third = "2024-03-04T01-00Z"
            try scenario.add(third, scenario.rows)
            let views = try scenario.views()
            try scenario.succeed("sync", "--keep-inventories", "2")
            #expect(try Files.names(in: kept) == [Scenario.inventoryNames[1], third])
            // The source still has the first.
            try scenario.succeed("reindex")
            #expect(Array(try scenario.views()[..<3]) == Array(views[..<3]))
            #expect(try Files.names(in: kept).count == 3)
            // It is remembered.
            let fourth = "2024-03-05T01-00Z"
            try scenario.add(fourth, scenario.rows)
            try scenario.succeed("sync")
            #expect(try Files.names(in: kept) == [third, fourth])
            try FileManager.default.removeItem(atPath: scenario.folder.path)
            let before = try StoreDigest.of(scenario.store)
            let refused = try scenario.run("reindex")
            #expect(refused.status == 1, "\(refused)")
            for name in Scenario.inventoryNames { #expect(refused.stderr.contains(name), "\(refused)") }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            let accepted = try scenario.succeed("reindex", "--accept-loss", "--json")
            #expect(try accepted.records.compactMap { $0["rebuilt"] as? Bool } == [true, true, false, false])
            #expect(try scenario.findings(status: 0).isEmpty)
        }
    }

    @Test func aKillLeavesOneIndexOrTheOther() throws {
        try Scenario.withContents(small: 300) { scenario in
            let views = try scenario.views()
            var random = SplitMix64(seed: 3)
            let goal = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1" ? 100 : 8
            let commands = [["reindex"], ["verify", "--repair"]].map {
                [$0[0], "--store", scenario.store] + $0.dropFirst()
            }
            var delays = try commands.map { words in
                try KillDelay {
                    let run = try scenario.run(words)
                    #expect(run.status == 0, "\(run)")
                }
            }
            var (killed, round) = (0, 0)
            while killed < goal {
                try #require(round < 5 * goal, "\(killed) of \(round) were killed before their end")
                let which = round % 2
                round += 1
                if which == 1 {
                    for key in ["small/2/2", "parted", "secret"] {
                        let path = scenario.blob(try scenario.row(key))
                        if Files.exists(path) { try Scenario.change(path) { $0[0] ^= 1 } }
                    }
                }
                let process = try scenario.start(commands[which])
                let part = Double(random.below(100)) / 100
                _ = Clock.wait(seconds: delays[which].longest * part) { process.hasEnded }
                process.kill(SIGKILL)
                let isKilled = try process.wait().status == 128 + SIGKILL
                delays[which].note(isKilled: isKilled)
                killed += isKilled ? 1 : 0
                // A repair that is killed while it fetches leaves snapshots that miss what it has put aside, and says so.
                let count = which == 0 ? 4 : 3
                #expect(Array(try scenario.views()[..<count]) == Array(views[..<count]))
                _ = try scenario.findings("--repair", status: 0)
                #expect(try scenario.findings(status: 0).isEmpty)
                #expect(try scenario.views() == views)
                #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
                #expect(try !Files.names(in: scenario.store).contains { $0.contains(".new") })
            }
        }
    }
}

/// An index that is lost, not damaged.
@Suite struct LostIndexTests {
    @Test(arguments: ["missing", "empty"])
    func aSyncDoesNotBeginANewIndexWhereOneWasLost(how: String) throws {
        try Scenario.withContents { scenario in
            let before = try scenario.views()
            for suffix in ["", "-wal", "-shm"] { try Files.remove("\(scenario.store)/index.sqlite\(suffix)") }
            if how == "empty" { try Files.replace("\(scenario.store)/index.sqlite", with: []) }
            for command in ["sync", "status", "snapshots", "prune --keep-last 1"] {
                let run = try scenario.run(
                    command.split(separator: " ").map(String.init) + ["--store", scenario.store])
                #expect(run.status == 1 && run.stderr.contains("'icecore reindex'"), "\(run)")
            }
            try scenario.succeed("reindex")
            #expect(try scenario.views().dropLast(5) == before.dropLast(5))
        }
    }

    @Test func aStoreWithoutItsEmptyDirectoriesMakesThemAgain() throws {
        try Scenario.withContents { scenario in
            for name in ["tmp", "quarantine"] { try Files.removeAll("\(scenario.store)/\(name)") }
            try scenario.succeed("sync")
            try scenario.succeed("verify")
            #expect(Files.exists("\(scenario.store)/tmp") && Files.exists("\(scenario.store)/quarantine"))
        }
    }

    /// Its look at the inventory takes a while; meanwhile another one makes the store.
    @Test func aSlowInitDoesNotTakeOverAStoreThatCameMeanwhile() throws {
        try Scenario.withContents { scenario in
            let configuration = try Files.read("\(scenario.store)/icecore.json", limit: 1 << 16)
            let kept = "\(scenario.directory)/kept"
            try Files.rename(scenario.store, kept)
            var faults = FaultServer.Faults()
            faults.latency = 3
            try scenario.server.set(faults)
            let slow = try scenario.start(
                ["init", scenario.store, "--bucket", "s3://other", "--inventory", "s3://other-inventories/all/"])
            usleep(1_000_000)
            try Files.removeAll(scenario.store)
            try Files.rename(kept, scenario.store)
            let run = try slow.wait(seconds: 60)
            #expect(run.status == 1 && run.stderr.contains("already a store"), "\(run)")
            #expect(try Files.read("\(scenario.store)/icecore.json", limit: 1 << 16) == configuration)
        }
    }
}
