import Basics
import Foundation
import Testbed
import Testing

/// The packs of a store travel as they are.
@Suite struct PackedReplicaTests {
    /// A document of a replica in a directory.
    static func document(_ scenario: Scenario, _ path: String) throws -> [String: Any] {
        let bytes = try Files.read("\(scenario.directory)/replica/\(path)", limit: 1 << 24)
        return try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    static func expectSame(_ store: String, as scenario: Scenario, sourceLocation: SourceLocation = #_sourceLocation)
        throws
    {
        let verify = try scenario.run(["verify", "--store", store])
        #expect(verify.status == 0, "\(verify)", sourceLocation: sourceLocation)
        #expect(
            try scenario.allViews(of: store) == scenario.allViews(of: scenario.store), sourceLocation: sourceLocation)
        StoreDigest.expectSame(
            try StoreDigest.contents(store), try StoreDigest.contents(scenario.store), sourceLocation: sourceLocation)
        #expect(try StoreDigest.files("\(store)/tmp").isEmpty, sourceLocation: sourceLocation)
    }

    /// A day more, with as many new contents.
    static func addDay(_ scenario: Scenario, _ day: Int, _ count: Int) throws {
        let new = (0..<count).map { number in
            InventoryFolder.Row(
                "day \(day)/\(number)", bytes("new on \(day): \(number)"), at: "2024-03-03T12:00:00.000Z")
        }
        scenario.rows += new
        let name = "2024-03-0\(day)T01-00Z"
        try scenario.add(name, scenario.rows)
        try scenario.succeed("sync", "--date", name)
    }

    @Test(arguments: ["file", "RGW", "moto"]) func packsAreSentAsTheyAre(_ kind: String) throws {
        try Scenario.withContents { scenario in
            let place = try PushTests.place(kind, scenario)
            try scenario.moveIntoPacks(15) { !$0.hasSuffix("-5500000") }
            try scenario.succeed("pack", "--below", "1M")
            let packs = try scenario.packs
            #expect(packs.count == 3)
            let first = try scenario.push(place, "--json").record
            #expect(first["packs"] as? Int == 3 && first["blobs"] as? Int == 1, "\(first)")
            let clone = try scenario.clone(place, "clone")
            try Self.expectSame(clone, as: scenario)
            #expect(try StoreDigest.files("\(clone)/packs") == StoreDigest.files("\(scenario.store)/packs"))
            #expect(try StoreDigest.files("\(clone)/blobs").count == 1)
            #expect(try scenario.push(place, "--json").record["unchanged"] as? Bool == true)
            try scenario.clone(place, "clone")

            // A day later: a new pack, and nothing else.
            try Self.addDay(scenario, 4, 5)
            let second = try scenario.push(place, "--json").record
            #expect(second["packs"] as? Int == 1 && second["blobs"] as? Int == 0, "\(second)")
            try scenario.clone(place, "clone")
            try Self.expectSame(clone, as: scenario)
            try Self.expectSame(try scenario.clone(place, "another"), as: scenario)
            // A clone can push, too.
            #expect(try scenario.push(place, "--json", store: clone).record["packs"] as? Int == 0)
        }
    }

    /// What was pushed without packs becomes a replica with packs, and what was pushed before them stays.
    @Test func anOldReplicaGetsPacks() throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            #expect(try Self.document(scenario, "latest.json")["format"] as? Int == 1)
            let loose = try scenario.clone(place, "loose")
            try scenario.succeed("pack", "--below", "1M")
            let push = try scenario.push(place, "--json").record
            #expect(push["packs"] as? Int == 1 && push["blobs"] as? Int == 0, "\(push)")
            let latest = try Self.document(scenario, "latest.json")
            #expect(latest["format"] as? Int == 2)
            let newest = try #require(latest["snapshot"] as? String)
            #expect(try Self.document(scenario, "\(newest)/metadata.json")["format"] as? Int == 2)
            #expect(try Self.document(scenario, "icecore-replica.json")["format"] as? Int == 1)
            try Self.expectSame(try scenario.clone(place, "clone"), as: scenario)
            // A store without packs goes on with it, and it stays what it is.
            let name = "2024-03-04T01-00Z"
            try scenario.add(
                name, scenario.rows + [.init("new/one", bytes("brand new"), at: "2024-03-03T12:00:00.000Z")])
            for store in [loose, scenario.store] {
                #expect(try scenario.run(["sync", "--date", name, "--store", store]).status == 0)
            }
            #expect(try scenario.push(place, "--json", store: loose).record["blobs"] as? Int == 1)
            #expect(try Self.document(scenario, "latest.json")["format"] as? Int == 2)
            let clone = try scenario.clone(place, "last")
            #expect(try StoreDigest.contents(clone) == StoreDigest.contents(scenario.store))
            // And a clone that had no packs gets them.
            try scenario.push(place)
            try scenario.clone(place, "loose")
            #expect(try scenario.run(["verify", "--store", loose]).status == 0)
            #expect(try scenario.allViews(of: loose) == scenario.allViews(of: scenario.store))
        }
    }

    @Test func aNewReplicaOfAStoreWithoutPacksIsOfTheFirstFormat() throws {
        try Scenario.withContents(small: 5) { scenario in
            try scenario.push(.directory(scenario))
            for path in ["latest.json", "icecore-replica.json"] {
                #expect(try Self.document(scenario, path)["format"] as? Int == 1)
            }
            #expect(!Files.exists("\(scenario.directory)/replica/packs"))
        }
    }

    /// Many small contents cost a handful of requests, also where neighbours are in two packs by turns.
    @Test func fewRequestsSendManyContents() throws {
        let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"
        try Scenario.withBucket(packBelow: "1M") { scenario in
            let filler = String(repeating: ".", count: 1266)
            let rows = (0..<(isSoak ? 100_000 : 5000)).map {
                InventoryFolder.Row("many/\($0)", bytes("content \($0)\(filler)"))
            }
            for (name, new) in [
                ("2024-03-02T01-00Z", rows.filter { $0.key.utf8.last.map { $0 % 2 } == 0 }),
                ("2024-03-03T01-00Z", rows),
            ] {
                try scenario.add(name, new)
                try scenario.succeed("sync", "--date", name)
            }
            #expect(try scenario.packs.count == 2)
            let (place, proxy, admin) = try PushRequestTests.proxied()
            try scenario.push(place)
            let log = try proxy.log()
            #expect(log.count < (isSoak ? 100 : 30), "\(log)")
            if isSoak { print("a push of \(rows.count) contents: \(log.count) requests") }
            try PushRequestTests.expectNothingLeft(place, admin)
            try proxy.reset()
            scenario.rows = rows
            try Self.expectSame(try scenario.clone(place, "clone"), as: scenario)
            #expect(try proxy.log().count < (isSoak ? 100 : 30))

            // Files that are read in order come together, and those of several directories that are read in turn.
            let inOrder = rows.sorted { $0.key < $1.key }
            try Self.expectFewRequests(20, scenario, place, proxy) { point in
                for index in 0..<5000 where index % 5 == 0 { try Self.expectSame(inOrder[index], below: point) }
            }
            try Self.expectFewRequests(30, scenario, place, proxy) { point in
                for index in 0..<1000 {
                    for start in [0, 2000, 4000] { try Self.expectSame(inOrder[start + index], below: point) }
                }
            }
        }
    }

    private static func expectSame(_ row: InventoryFolder.Row, below point: String) throws {
        #expect(try Files.read("\(point)/\(row.key)", limit: 2000) == row.content, "\(row.key)")
    }

    /// What reads from a mount of a replica, with nothing in the cache, causes.
    private static func expectFewRequests(
        _ limit: Int, _ scenario: Scenario, _ place: ReplicaPlace, _ proxy: ProxyServer, _ read: (String) throws -> Void
    ) throws {
        let point = "\(scenario.directory)/mnt-\(limit)"
        try scenario.mountReplica(place, point)
        try proxy.reset()
        try read(point)
        let log = try proxy.log()
        #expect(log.count < limit && log.allSatisfy { $0.contains("/packs/") || $0.contains(".json") }, "\(log)")
        scenario.unmount(point)
        try Files.removeAll("\(scenario.directory)/cache")
    }

    @Test(arguments: ["file", "RGW", "moto"]) func aReplicaWithPacksIsReadAsAStoreIs(_ kind: String) throws {
        try Scenario.withContents { scenario in
            let place = try PushTests.place(kind, scenario)
            try scenario.moveIntoPacks(15) { $0.count % 3 > 0 }
            try scenario.push(place)
            let cache = ["--replica", place.url, "--cache", "\(scenario.directory)/cache"] + place.flags
            for row in scenario.rows where !row.isMarker && row.versionId != "null" {
                let cat = try scenario.run(
                    ["cat", row.key, "--version-id", row.versionId] + cache, environment: place.environment)
                #expect(cat.status == 0 && cat.stdout.isSame(as: row.content), "\(row.key): \(cat)")
            }
            try Files.removeAll("\(scenario.directory)/cache")
            let point = "\(scenario.directory)/mnt"
            try scenario.mountReplica(place, point, "--refresh", "1")
            for turn in 0..<2 {
                for row in scenario.rows where row.isLatest && !row.isMarker {
                    let content = try Files.read("\(point)/\(row.key)", limit: 1 << 28)
                    #expect(content.isSame(as: row.content), "\(turn): \(row.key)")
                }
            }
            // A day later, with packs that are new.
            try scenario.succeed("pack", "--below", "1M")
            try Self.addDay(scenario, 4, 5)
            try scenario.push(place)
            #expect(Clock.wait(seconds: 60) { Files.exists("\(point)/day 4") })
            for row in scenario.rows where row.isLatest && !row.isMarker {
                #expect(try Files.read("\(point)/\(row.key)", limit: 1 << 28).isSame(as: row.content), "\(row.key)")
            }
        }
    }

    /// A cache that is too small, and one that somebody removes: what is read stays right.
    @Test func theCacheOfPacksKeepsToItsSize() throws {
        try Scenario.withBucket(packBelow: "1M") { scenario in
            let rows = (0..<60).map { number in
                InventoryFolder.Row("many/\(number)", RealBucket.content(seed: UInt64(number), count: 100_000))
            }
            try scenario.add("2024-03-02T01-00Z", rows)
            try scenario.succeed("sync")
            let place = try ReplicaPlace.bucket(MotoServer.shared())
            try scenario.push(place)
            let point = "\(scenario.directory)/mnt"
            try scenario.mountReplica(place, point, "--refresh", "1", "--cache-size", "1M")
            func expectReadable() throws {
                for row in rows.shuffled().prefix(25) {
                    let content = try? Files.read("\(point)/\(row.key)", limit: 1 << 28)
                    let log = try scenario.shell("cat '\(scenario.directory)'/cache/*/mount.log").text
                    #expect(content?.isSame(as: row.content) == true, "\(row.key): \(log)")
                }
            }
            try expectReadable()
            let isSmall = try Clock.wait(seconds: 60) {
                try scenario.shell("du -s '\(scenario.directory)/cache'").text.split(separator: "\t").first
                    .flatMap { Int($0) } ?? .max < 3000
            }
            #expect(isSmall)
            try expectReadable()
            try Files.removeAll("\(scenario.directory)/cache")
            try expectReadable()
        }
    }
}
