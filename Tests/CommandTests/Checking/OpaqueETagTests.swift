import Basics
import Foundation
import Testbed
import Testing

/// Gateways whose ETags look like MD5s and are none.
@Suite struct OpaqueETagTests {
    typealias Row = InventoryFolder.Row

    private static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z"]
    private static let chunked = ["--chunk-threshold", "1M", "--chunk-size", "1M"]

    private static func opaque(_ key: String, _ content: [UInt8]) -> Row {
        Row(key, content).with { $0.etag = Hex.encode(MD5.digest(bytes("not of the content of \(key)"))) }
    }

    private static let small = opaque("small", bytes("a small content"))
    private static let large = opaque("large", RealBucket.content(seed: 4, count: 2_500_000))
    private static let parted = opaque("parted", RealBucket.content(seed: 6, count: 300_000)).with {
        $0.etag = ($0.etag ?? "") + "-2"
    }
    private static let empty = opaque("empty", [])
    private static let honest = Row("honest", bytes("its ETag is its MD5"))
    private static let rows = [small, large, parted, empty, honest]
    private static let size = rows.reduce(0) { $0 + $1.content.count }

    private static func expectAll(_ scenario: Scenario, _ place: SourceLocation = #_sourceLocation) throws {
        #expect(try scenario.blobs.count == rows.count, sourceLocation: place)
        for row in rows {
            let cat = try scenario.succeed("cat", row.key, sourceLocation: place)
            #expect(cat.stdout.isSame(as: row.content), "\(row.key)", sourceLocation: place)
        }
    }

    private static func configuration(_ store: String) throws -> [String: Any] {
        let json = Data(try Files.read("\(store)/icecore.json", limit: 1 << 16))
        return try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
    }

    /// A store whose bucket has the rows.
    private static func withStore(_ words: String..., body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try FileManager.default.removeItem(atPath: scenario.store)
            let run = try scenario.run(
                ["init", scenario.store, "--bucket", "s3://\(Scenario.bucket)", "--inventory", scenario.folder.url]
                    + words)
            try #require(run.status == 0, "\(run)")
            try scenario.add(names[0], rows)
            try body(scenario)
        }
    }

    // MARK: - Without the flag

    @Test(arguments: [small, large]) func aContentThatComesTwiceAlikeIsNotAskedForAThirdTime(row: InventoryFolder.Row)
        throws
    {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], [row])
            for round in 1...2 {
                let run = try scenario.run(["sync", "--store", scenario.store] + Self.chunked)
                #expect(run.status == 3, "\(run)")
                #expect(run.stderr.contains("--etags opaque"), "\(run)")
                #expect(try scenario.server.statistics().bytes == 2 * round * row.content.count)
            }
            #expect(try (scenario.failures().first?["reason"] as? String)?.contains("--etags opaque") == true)
            #expect(try scenario.blobs.isEmpty && Files.names(in: "\(scenario.store)/tmp").isEmpty)

            let point = try scenario.mount()
            #expect((try? Files.read("\(point)/\(row.key)", limit: 1 << 26)) == nil)
            let log = String(decoding: try Files.read("\(scenario.store)/mount.log", limit: 1 << 20), as: UTF8.self)
            #expect(log.contains("--etags opaque"))
            scenario.unmount(point)

            // What the sentence says helps.
            try scenario.succeed("sync", "--etags", "opaque")
            #expect(try scenario.succeed("cat", row.key).stdout.isSame(as: row.content))
            #expect(try scenario.failures().isEmpty)
            #expect(try Self.configuration(scenario.store)["etags"] as? String == "opaque")
        }
    }

    // MARK: - With it

    @Test(arguments: [[], chunked]) func eachContentArrivesTwiceAndIsStoredUnderItsSHA256(words: [String]) throws {
        try Self.withStore("--etags", "opaque") { scenario in
            let run = try scenario.run(["sync", "--store", scenario.store] + words)
            #expect(run.status == 0, "\(run)")
            try Self.expectAll(scenario)
            #expect(try scenario.blobs.allSatisfy { $0.contains("/x-") })
            #expect(try scenario.server.statistics().bytes == 2 * Self.size)
            let requests = try scenario.server.statistics().requests
            try scenario.succeed("sync")
            try scenario.add(Self.names[1], Self.rows)
            try scenario.succeed("sync")
            #expect(try scenario.server.statistics().requests == requests, "nothing is asked for again")
            try scenario.succeed("verify")
            #expect(try scenario.succeed("status", "--json").records.first?["etags"] as? String == "opaque")
            #expect(try scenario.succeed("status").text.contains("opaque"))

            let path = "\(scenario.store)/blobs/\(try #require(try scenario.blobs.first { $0.hasSuffix("-2500000") }))"
            try Scenario.change(path) { $0[77] ^= 1 }
            #expect(try scenario.run("verify").status == 1)
            try scenario.succeed("verify", "--repair")
            try Self.expectAll(scenario)
            try scenario.succeed("reindex")
            try Self.expectAll(scenario)
        }
    }

    @Test func aContentThatComesInAnotherFormEachTimeIsNotKept() throws {
        try Self.withStore("--etags", "opaque") { scenario in
            let answers = ["one", "two", "six"].map { FaultServer.Canned(body: "\($0) small conten") }
            let row = Self.small.with { $0.size = "\(answers[0].body.utf8.count)" }
            try scenario.add(Self.names[1], [row])
            try scenario.server.can(scenario.target(row), answers[0], answers[1], answers[2])
            let run = try scenario.run("sync")
            #expect(run.status == 3 && run.stderr.contains("each download gave different bytes"), "\(run)")
            #expect(try scenario.blobs.isEmpty)
        }
    }

    @Test func aMountReadsThem() throws {
        try Self.withStore("--etags", "opaque") { scenario in
            try scenario.succeed("sync", "--metadata-only")
            let point = try scenario.mount()
            for row in Self.rows {
                #expect(try Files.read("\(point)/\(row.key)", limit: 1 << 26).isSame(as: row.content), "\(row.key)")
            }
            scenario.unmount(point)
            #expect(try scenario.blobs.isEmpty, "once is not enough to keep them")
            try scenario.succeed("sync")
            try Self.expectAll(scenario)
            let again = try scenario.mount()
            for row in Self.rows {
                #expect(try Files.read("\(again)/\(row.key)", limit: 1 << 26).isSame(as: row.content), "\(row.key)")
            }
        }
    }

    @Test(arguments: ["file", "moto"]) func theSettingGoesWithReplicas(_ kind: String) throws {
        try Self.withStore { scenario in
            try scenario.add(Self.names[0], [Self.honest])
            try scenario.succeed("sync", "--date", Self.names[0])
            let place = try PushTests.place(kind, scenario)
            try scenario.push(place)
            let old = try scenario.clone(place, "old")
            #expect(try Self.configuration(old)["format"] as? Int == 3)

            try scenario.add(Self.names[1], Self.rows)
            try scenario.succeed("sync", "--etags", "opaque")
            try scenario.push(place)
            let clone = try scenario.clone(place, "clone")
            try scenario.expectSame(clone, as: scenario.store)
            #expect(try Self.configuration(clone)["etags"] as? String == "opaque")
            // A store without it would take it away from others.
            let push = try scenario.push(place, store: old, status: 1)
            #expect(push.stderr.contains("--etags opaque"), "\(push)")
            try scenario.clone(place, "old")
            #expect(try Self.configuration(old)["etags"] as? String == "opaque")
            #expect(try Self.configuration(old)["format"] as? Int == 3)
            try scenario.push(place, store: old)
        }
    }

    @Test func itGoesTogetherWithDistrust() throws {
        try Self.withStore("--etags", "opaque", "--distrust-etags") { scenario in
            // One ETag for two contents of one size.
            let other = Row("other", bytes("b small content")).with { $0.etag = Self.small.etag }
            try scenario.add(Self.names[1], Self.rows + [other])
            try scenario.succeed("sync")
            for row in Self.rows + [other] {
                #expect(try scenario.succeed("cat", row.key).stdout.isSame(as: row.content), "\(row.key)")
            }
            try scenario.succeed("verify")
        }
    }

    @Test(arguments: ["md5", "", "Opaque"]) func anotherMeaningIsRefused(meaning: String) throws {
        try Scenario.withBucket { scenario in
            #expect(try scenario.run("sync", "--etags", meaning).status == 64)
            let path = "\(scenario.store)/icecore.json"
            let text = String(decoding: try Files.read(path, limit: 1 << 16), as: UTF8.self)
            try Files.replace(path, with: Array(text.replacing("{\n", with: "{\n  \"etags\": \"\(meaning)\",\n").utf8))
            let run = try scenario.run("status")
            #expect(run.status == 1 && run.stderr.contains("icecore.json"), "\(run)")
        }
    }
}
