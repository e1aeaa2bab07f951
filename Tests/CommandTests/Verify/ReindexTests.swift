import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// The inventories that a store keeps, and the index that is made from them.
@Suite struct ReindexTests {
    @Test func theIndexIsMadeAgainFromWhatTheStoreKeeps() throws {
        try VerifyBench.use { store in
            let views = try store.views()
            let status = try store.bench.succeed("status", "--json").records.first
            try FileManager.default.removeItem(atPath: store.sync.folder.path)
            // As it is; with damage in the middle; and gone altogether.
            for damage in 0..<3 {
                let path = "\(store.store)/index.sqlite"
                for suffix in ["-wal", "-shm"] { try Files.remove(path + suffix) }
                if damage == 1 { try VerifyBench.change(path) { for place in 9000..<13000 { $0[place] = 0xA5 } } }
                if damage == 2 { try Files.remove(path) }
                let run = try store.bench.succeed("reindex")
                #expect(run.text.contains("2 inventories"), "\(run)")
                if damage == 2 {
                    // Which content an encrypted object has was nowhere but in the index: it is fetched again.
                    #expect(try store.findings(status: 3).count == 1)
                    _ = try store.findings("--repair", status: 0)
                }
                #expect(try store.views() == views)
                #expect(try store.findings(status: 0).isEmpty)
                if damage == 0 {
                    #expect(try store.bench.succeed("cat", "secret").text == "encrypted")
                    let after = try store.bench.succeed("status", "--json").records.first
                    for name in ["versions", "versionBytes", "blobs", "blobBytes", "keys", "missing"] {
                        #expect(after?[name] as? Int == status?[name] as? Int, "\(name)")
                    }
                }
                #expect(try Files.names(in: "\(store.store)/tmp").isEmpty)
            }
            #expect(try Files.names(in: "\(store.store)/quarantine").count == 2)
        }
    }

    @Test func whatIsGoneForGoodStaysGone() throws {
        try VerifyBench.use { store in
            let row = try store.row("small/2/2")
            let body = "<Error><Code>NoSuchVersion</Code><Message>gone</Message></Error>"
            try store.sync.server.can(store.sync.target(row), .init(status: 404, body: body))
            try Files.remove(store.blob(row))
            _ = try store.findings("--repair", status: 1)
            try store.bench.succeed("reindex")
            #expect(try store.findings(status: 0).isEmpty)
            #expect(try store.bench.run("cat", row.key).stderr.contains("gone"))
        }
    }

    @Test func onlySoManyInventoriesAreKeptAsAskedFor() throws {
        try VerifyBench.use { store in
            let kept = "\(store.store)/inventories"
            #expect(try Files.names(in: kept) == VerifyBench.names)
            let third = "2024-03-04T01-00Z"
            try store.sync.add(third, store.rows)
            let views = try store.views()
            try store.bench.succeed("sync", "--keep-inventories", "2")
            #expect(try Files.names(in: kept) == [VerifyBench.names[1], third])
            // The source still has the first.
            try store.bench.succeed("reindex")
            #expect(Array(try store.views()[..<3]) == Array(views[..<3]))
            #expect(try Files.names(in: kept).count == 3)
            // It is remembered.
            let fourth = "2024-03-05T01-00Z"
            try store.sync.add(fourth, store.rows)
            try store.bench.succeed("sync")
            #expect(try Files.names(in: kept) == [third, fourth])
            try FileManager.default.removeItem(atPath: store.sync.folder.path)
            let before = try StoreDigest.of(store.store)
            let refused = try store.bench.run("reindex")
            #expect(refused.status == 1, "\(refused)")
            for name in VerifyBench.names { #expect(refused.stderr.contains(name), "\(refused)") }
            StoreDigest.expectSame(try StoreDigest.of(store.store), before)
            let accepted = try store.bench.succeed("reindex", "--accept-loss", "--json")
            #expect(try accepted.records.compactMap { $0["rebuilt"] as? Bool } == [true, true, false, false])
            #expect(try store.findings(status: 0).isEmpty)
        }
    }

    @Test func aKillLeavesOneIndexOrTheOther() throws {
        try VerifyBench.use(small: 300) { store in
            let views = try store.views()
            var random = SplitMix64(seed: 3)
            let rounds = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1" ? 150 : 12
            // How long they take on this machine, undisturbed.
            var durations: [Double] = []
            for command in [["reindex"], ["verify", "--repair"]] {
                let start = Timestamp.now()
                #expect(try store.bench.run([command[0], "--store", store.store] + command.dropFirst()).status == 0)
                durations.append(Double(Timestamp.now().milliseconds - start.milliseconds))
            }
            var killed = 0
            for round in 0..<rounds {
                let command = round % 2 == 0 ? ["reindex"] : ["verify", "--repair"]
                if round % 2 == 1 {
                    for key in ["small/2/2", "parted", "secret"] {
                        let path = store.blob(try store.row(key))
                        if Files.exists(path) { try VerifyBench.change(path) { $0[0] ^= 1 } }
                    }
                }
                let process = try store.bench.start([command[0], "--store", store.store] + command.dropFirst())
                usleep(UInt32(durations[round % 2] * 10 * Double(random.below(100))))
                process.kill(SIGKILL)
                if try process.wait().status == 128 + SIGKILL { killed += 1 }
                #expect(Array(try store.views()[..<4]) == Array(views[..<4]))
                _ = try store.findings("--repair", status: 0)
                #expect(try store.findings(status: 0).isEmpty)
                #expect(try store.views() == views)
                #expect(try Files.names(in: "\(store.store)/tmp").isEmpty)
                #expect(try !Files.names(in: store.store).contains { $0.contains(".new") })
            }
            #expect(killed > rounds / 3)
        }
    }
}
