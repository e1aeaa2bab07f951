import Basics
import Foundation
import Testbed
import Testing

/// A store whose small contents go into packs says what a store of files says.
@Suite struct PackedSyncTests {
    typealias Row = InventoryFolder.Row

    private static let names = Scenario.inventoryNames

    private static func opaque(_ key: String, _ content: [UInt8]) -> Row {
        Row(key, content).with {
            $0.etag = Hex.encode(MD5.digest(bytes("encrypted \(key)")))
            $0.encryption = "SSE-KMS"
        }
    }

    /// Contents of all kinds, on both sides of the limit of 1000 bytes.
    private static let first: [Row] = {
        var rows = (0..<300).map { Row("small/\($0 % 7)/\($0)", bytes("content \($0)")) }
        rows += [998, 999, 1000, 1001, 400_000].map {
            Row("sized/\($0)", RealBucket.content(seed: UInt64($0), count: $0))
        }
        rows += ["shared/a", "shared/b"].map { Row($0, bytes("the same")) }
        rows += [opaque("secret/a", bytes("encrypted")), opaque("secret/b", bytes("encrypted"))]
        rows.append(opaque("secret/large", RealBucket.content(seed: 5, count: 2000)))
        rows += ["uploaded", "uploaded again"].map { key in
            let content = bytes("in one part: \(key)")
            return Row(key, content).with { $0.etag = Hex.encode(MD5.digest(MD5.digest(content))) + "-1" }
        }
        rows += [Row("empty", []), Row("empty too", [])]
        return rows
    }()
    private static let second: [Row] = {
        var rows = first
        for place in stride(from: 0, to: 100, by: 3) {
            rows[place].isLatest = false
            rows.append(Row(rows[place].key, bytes("newer \(place)"), at: "2024-03-02T12:00:00.000Z"))
        }
        rows.append(opaque("secret/c", bytes("encrypted")))
        return rows
    }()

    /// What a store shows, in every way.
    private struct Shown {
        var outputs: [[UInt8]]
        var contents: [String: [UInt8]] = [:]
        var mounted: SeenTree

        init(_ scenario: Scenario, _ store: String) throws {
            func output(_ words: [String]) throws -> [UInt8] {
                let run = try scenario.run(words + ["--store", store])
                try #require(run.status == 0, "\(run)")
                return run.stdout
            }
            outputs = try (PackedSyncTests.names + ["2024-03-02T06:00:00Z"]).map {
                try output(["ls", "-R", "--json", "--at", $0])
            }
            for key in ["small/0/0", "secret/a"] { outputs.append(try output(["versions", "--json", key])) }
            for row in PackedSyncTests.first where !row.key.hasPrefix("small") || row.key.hasSuffix("77") {
                contents[row.key] = try output(["cat", row.key, "--at", PackedSyncTests.names[0]])
                #expect(contents[row.key]?.isSame(as: row.content) ?? false, "\(row.key)")
            }
            let point = "\(scenario.directory)/shown"
            try Files.createDirectory(point)
            scenario.noteMount(point)
            _ = try output(["mount", point])
            mounted = try SeenTree(point)
            scenario.unmount(point)
        }
    }

    @Test(arguments: ["1000", "1M"]) func everyViewIsThatOfAStoreOfFiles(limit: String) throws {
        try Scenario.withBucket(packBelow: limit) { scenario in
            let loose = "\(scenario.directory)/loose"
            let made = try scenario.run(
                ["init", loose, "--bucket", "s3://\(Scenario.bucket)", "--inventory", scenario.folder.url])
            try #require(made.status == 0, "\(made)")
            try scenario.add(Self.names[0], Self.first)
            try scenario.add(Self.names[1], Self.second)
            for store in [scenario.store, loose] {
                for name in Self.names {
                    let run = try scenario.run(["sync", "--store", store, "--date", name])
                    #expect(run.status == 0, "\(run)")
                }
            }
            // Only what is not smaller is a file.
            let least = limit == "1M" ? 1 << 20 : 1000
            let blobs = try StoreDigest.blobs(loose).keys.sorted()
            func size(_ blob: String) -> Int { Int(blob.split(separator: "-").last ?? "") ?? 0 }
            #expect(try scenario.blobs == blobs.filter { size($0) >= least })
            #expect(
                try StoreDigest.files("\(scenario.store)/packs").count == 3, "a pack for each sync, and the catalogue")
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
            // Each is counted once.
            let status = try #require(try scenario.succeed("status", "--json").records.first)
            #expect(status["blobs"] as? Int == blobs.count)
            #expect(status["blobBytes"] as? Int == blobs.reduce(0) { $0 + size($1) })

            let (seen, expected) = (try Shown(scenario, scenario.store), try Shown(scenario, loose))
            #expect(seen.outputs == expected.outputs)
            #expect(seen.contents == expected.contents)
            #expect(seen.mounted.files == expected.mounted.files)
            #expect(seen.mounted.directories == expected.mounted.directories)

            try scenario.server.reset()
            for name in Self.names {
                let record = try scenario.succeed("sync", "--date", name, "--json").record
                #expect(record["fetched"] as? Int == 0)
            }
            #expect(try scenario.requests().isEmpty)
        }
    }

    @Test(arguments: ["copy", "hard", "move"]) func whatIsAdoptedIsPackedUnlessItStaysTheSameFile(link: String) throws {
        try Scenario.withBucket(packBelow: "1000") { scenario in
            let loose = "\(scenario.directory)/loose"
            try scenario.add(Self.names[0], Self.first)
            let made = try scenario.run(
                ["init", loose, "--bucket", "s3://\(Scenario.bucket)", "--inventory", scenario.folder.url])
            try #require(made.status == 0, "\(made)")
            #expect(try scenario.run(["sync", "--store", loose]).status == 0)
            let blobs = try StoreDigest.blobs(loose).keys.sorted()
            try scenario.succeed("sync", "--metadata-only")
            try scenario.server.reset()
            try scenario.succeed("adopt", loose, "--link", link)
            let packs = (try? StoreDigest.files("\(scenario.store)/packs").count) ?? 0
            // What only a SHA-256 vouches for has to be fetched.
            let adopted = blobs.filter { !$0.contains("x-") }
            if link == "copy" {
                #expect(try scenario.blobs.count == 3 && packs == 2)
            } else {
                // The catalogue is there from the beginning.
                #expect(try scenario.blobs == adopted && packs == 1)
            }
            let record = try scenario.succeed("sync", "--json", "--headers", "none").record
            #expect(record["fetched"] as? Int == 3)
            let status = try #require(try scenario.succeed("status", "--json").records.first)
            #expect(status["blobs"] as? Int == blobs.count)
            for row in Self.first where !row.key.hasPrefix("small") || row.key.hasSuffix("77") {
                let run = try scenario.succeed("cat", row.key)
                #expect(run.stdout.isSame(as: row.content), "\(row.key)")
            }
        }
    }

    // MARK: - Stopped

    /// As long as a record without its content.
    private static let header = 13
    private static let uniform = (0..<1500).map { Row("many/\($0)", bytes("content \(10_000 + $0)")) }

    /// The unfinished packs, with the contents that are on the disk.
    private func unfinished(_ scenario: Scenario) throws -> [String: Int] {
        var packs: [String: Int] = [:]
        for name in try Files.names(in: "\(scenario.store)/tmp") where name.hasPrefix("pack-") {
            let bytes = Int(Files.size("\(scenario.store)/tmp/\(name)") ?? 0)
            packs[name] = max(0, bytes - 20) / (Self.header + Self.uniform[0].content.count)
        }
        return packs
    }

    /// Starts a sync that takes some seconds, and waits until so many contents are durable.
    private func start(_ scenario: Scenario, until count: Int) throws -> RunningProgram {
        let before = try unfinished(scenario)
        var faults = FaultServer.Faults()
        faults.latency = 0.05
        try scenario.server.set(faults)
        let program = try scenario.start(["sync", "--store", scenario.store, "--jobs", "4"])
        let isThere = try Clock.wait(seconds: 60) {
            let new = try unfinished(scenario).filter { before[$0.key] == nil }
            return new.values.contains { $0 >= count } || program.hasEnded
        }
        #expect(isThere)
        return program
    }

    @Test func aKilledSyncKeepsWholeRecords() throws {
        try Scenario.withBucket(packBelow: "1M") { scenario in
            try scenario.add(Self.names[0], Self.uniform)
            var kept = 0
            for round in 1...2 {
                let program = try start(scenario, until: 10)
                if round == 2 { usleep(.random(in: 0...1_000_000)) }
                program.kill(SIGKILL)
                #expect(try program.wait().status == 128 + SIGKILL)
                kept += try unfinished(scenario).values.reduce(0, +)
                // Nothing that has not been finished is seen.
                #expect(try scenario.succeed("snapshots", "--json").records.isEmpty)
            }
            try scenario.server.set(FaultServer.Faults())
            try scenario.server.reset()
            let record = try scenario.succeed("sync", "--json").record
            let fetched = try #require(record["fetched"] as? Int)
            #expect(kept >= 20 && fetched == Self.uniform.count - kept, "\(kept) were there, \(fetched) were fetched")
            #expect(try scenario.requests().count == fetched)
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
            for row in stride(from: 0, to: 1500, by: 50).map({ Self.uniform[$0] }) {
                #expect(try scenario.succeed("cat", row.key).stdout == row.content)
            }
            #expect(try scenario.succeed("snapshots", "--json").record["complete"] as? Bool == true)
        }
    }

    @Test(arguments: [SIGINT, SIGTERM]) func aStoppedSyncFinishesItsPack(signal: Int32) throws {
        try Scenario.withBucket(packBelow: "1M") { scenario in
            try scenario.add(Self.names[0], Self.uniform)
            let program = try start(scenario, until: 10)
            program.kill(signal)
            let run = try program.wait()
            #expect(run.status == 1, "\(run)")
            #expect(try unfinished(scenario).isEmpty)
            #expect(try StoreDigest.files("\(scenario.store)/packs").count == 2)
            let counted = try #require(try scenario.succeed("status", "--json").records.first?["blobs"] as? Int)
            #expect(counted >= 10)
            try scenario.server.set(FaultServer.Faults())
            let record = try scenario.succeed("sync", "--json").record
            #expect(record["fetched"] as? Int == Self.uniform.count - counted)
            #expect(try scenario.succeed("status", "--json").records.first?["blobs"] as? Int == Self.uniform.count)
        }
    }

    /// Whatever the moment, the next sync makes the same store of it.
    @Test func afterAnyKillTheNextSyncIsComplete() throws {
        try Scenario.withBucket(packBelow: "1000") { scenario in
            try scenario.add(Self.names[0], Self.first)
            try scenario.add(Self.names[1], Self.second)
            let sync = Self.names.map { ["sync", "--store", scenario.store, "--date", $0] }
            var calls: [Int] = []
            for words in sync {
                let count = "\(scenario.directory)/count"
                let run = try scenario.run(words, environment: FaultShim.environment(["FAULT_COUNT": count]))
                try #require(run.status == 0, "\(run)")
                let text = String(decoding: try Files.read(count, limit: 100), as: UTF8.self)
                calls.append(try #require(Int(text.dropLast())))
            }
            let reference = try Shown(scenario, scenario.store)
            let blobs = try scenario.blobs
            var killed = 0
            for round in 0..<6 {
                try FileManager.default.removeItem(atPath: scenario.store)
                try scenario.initialize(Scenario.bucket, inventory: scenario.folder.url, "--pack-below", "1000")
                let day = round % 2
                if day == 1 { try #require(try scenario.run(sync[0]).status == 0) }
                // The later half is where a pack is finished, and becomes part of the store; then what goes on with it.
                for least in [calls[day] / 2, 1] {
                    let call = Int.random(in: least...calls[day])
                    let run = try scenario.run(sync[day], environment: FaultShim.environment(["FAULT_KILL": "\(call)"]))
                    if run.status == 128 + SIGKILL { killed += 1 }
                }
                for words in sync {
                    let run = try scenario.run(words)
                    #expect(run.status == 0, "\(run)")
                }
                let seen = try Shown(scenario, scenario.store)
                #expect(seen.outputs == reference.outputs)
                #expect(seen.contents == reference.contents)
                #expect(seen.mounted.files == reference.mounted.files)
                #expect(try scenario.blobs == blobs)
                // What was to be removed with headers that had arrived may stay for the next sync that has some.
                let left = try Files.names(in: "\(scenario.store)/tmp").filter { !$0.hasPrefix("headers-") }
                #expect(left.isEmpty, "\(left)")
                #expect(!Files.exists("\(scenario.store)/packs/leaving"))
            }
            #expect(killed >= 4)
        }
    }

    // MARK: - The setting

    @Test func theSettingIsWrittenDown() throws {
        try Scenario.withBucket(packBelow: "64K") { scenario in
            func configuration() throws -> [String: Any] {
                let json = Data(try Files.read("\(scenario.store)/icecore.json", limit: 1 << 16))
                return try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
            }
            #expect(try configuration()["packBelow"] as? Int == 65536)
            #expect(try configuration()["format"] as? Int == 4)
            try FileManager.default.removeItem(atPath: scenario.store)
            try scenario.initialize(Scenario.bucket, inventory: scenario.folder.url, "--pack-below", "0")
            #expect(try configuration()["packBelow"] == nil)
            #expect(try configuration()["format"] as? Int == 3)
            let other = "\(scenario.directory)/other"
            for size in ["1025M", "-1", "much"] {
                let run = try scenario.run(
                    ["init", other, "--bucket", "s3://\(Scenario.bucket)", "--pack-below=\(size)"])
                #expect(run.status == 64, "\(run)")
                #expect(!Files.exists(other))
            }
        }
    }
}
