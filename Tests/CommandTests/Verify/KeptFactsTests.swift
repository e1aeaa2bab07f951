import Basics
import Foundation
import Testbed
import Testing

/// What ETags do not say survives the index: after it was lost, no sound blob counts as damaged, and nothing is fetched
/// again.
@Suite struct KeptFactsTests {
    typealias Row = InventoryFolder.Row

    private static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z", "2024-03-04T01-00Z"]
    /// Parts of one size that no tool uses, and parts of several sizes.
    private static let uploads = [
        "even": [700_001, 700_001, 700_001, 100], "uneven": [6, 5, 6].map { $0 * 100_003 },
        "growing": (1...40).map { $0 * 311 },
    ]

    private static func secret(_ number: Int) -> Row {
        Row("secret/\(number)", bytes("encrypted \(number)")).with {
            $0.etag = "0123456789abcdef0123456789abcde\(number)"
            $0.encryption = "SSE-KMS"
        }
    }

    /// An ETag with all that a line of text minds.
    private static func odd(_ content: String) -> Row {
        Row("odd/\(content)", bytes(content)).with { $0.etag = "%20 odd é \(content)" }
    }

    private static var rows: [Row] {
        uploads.map { UnevenPartTests.row($0.key, $0.value) } + [secret(0), secret(1), odd("a"), odd("b")]
            + (0..<5).map { Row("plain/\($0)", bytes("plain \($0)")) }
    }

    private static func add(_ name: String, _ rows: [Row], to scenario: Scenario) throws {
        try scenario.add(name, rows)
        for row in rows {
            if let sizes = uploads[row.key] { try UnevenPartTests.tellParts(scenario, row, sizes) }
        }
    }

    /// A synced store.
    private static func use(_ words: [String] = [], _ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try add(names[0], rows, to: scenario)
            let run = try scenario.run(["sync", "--store", scenario.store] + words)
            try #require(run.status == 0, "\(run)")
            try body(scenario)
        }
    }

    private static func lose(_ how: String, of store: String) throws {
        let index = "\(store)/index.sqlite"
        for suffix in ["-wal", "-shm"] { try Files.remove(index + suffix) }
        switch how {
        case "deleted": try Files.remove(index)
        case "emptied": try Files.replace(index, with: [])
        case "truncated": try Scenario.change(index) { $0.removeLast($0.count / 2) }
        case "overwritten": try Scenario.change(index) { for place in 4096..<$0.count { $0[place] = 0xA5 } }
        // What can be read of it, is; but not this table.
        case "of a program that lost the facts": try sql("DELETE FROM blob", index)
        default: Issue.record("unknown: \(how)")
        }
    }

    private static func sql(_ sql: String, _ index: String) throws {
        let python = Process()
        python.executableURL = URL(filePath: "/usr/bin/python3")
        let program = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.executescript(sys.argv[2]); d.commit()"
        python.arguments = ["-c", program, index, sql]
        try python.run()
        python.waitUntilExit()
        #expect(python.terminationStatus == 0)
    }

    /// Rebuilds the index: nothing is damaged or missing, and the server is not asked for anything.
    private static func expectNothingLost(_ scenario: Scenario, _ what: String = "") throws {
        try scenario.server.reset()
        try scenario.succeed("reindex")
        let verify = try scenario.run("verify", "--json")
        #expect(verify.status == 0 && verify.stdout.isEmpty, "\(what): \(verify)")
        // Headers are lost with an index.
        try scenario.succeed("sync", "--headers", "none")
        #expect(try scenario.server.statistics().requests == 0, "\(what)")
        for row in rows {
            #expect(try scenario.succeed("cat", row.key).stdout.isSame(as: row.content), "\(what): \(row.key)")
        }
    }

    // MARK: - A lost index

    @Test(
        arguments: ["deleted", "emptied", "truncated", "overwritten", "of a program that lost the facts"],
        [[], ["--distrust-etags"]])
    func aLostIndexTakesNoFactsWithIt(how: String, words: [String]) throws {
        try Self.use(words) { scenario in
            let views = try scenario.succeed("ls", "-R", "--json").stdout
            // Twice: what was rebuilt is as good as what was lost.
            for round in 1...2 {
                try Self.lose(how, of: scenario.store)
                try Self.expectNothingLost(scenario, "\(how), round \(round)")
            }
            #expect(try scenario.succeed("ls", "-R", "--json").stdout == views)
        }
    }

    @Test func theFormIsThatOfTheDocument() throws {
        try Self.use { scenario in
            let text = String(decoding: try Files.read("\(scenario.store)/blobs.facts", limit: 1 << 20), as: UTF8.self)
            #expect(text.hasPrefix("icecore-facts 1\n") && text.hasSuffix("\n"))
            let facts = try StoreDigest.facts(scenario.store)
            #expect(facts.count == 7 && text.split(separator: "\n").count == 8, "\(text)")
            let digest = Hex.encode(SHA256.digest(bytes("encrypted 0")))
            #expect(facts["0123456789abcdef0123456789abcde0 11"]?.hasSuffix(" 11 sha256 \(digest)") == true)
            #expect(facts.values.contains { $0.hasSuffix(" 2100103 even 700001") })
            #expect(facts.values.contains { $0.hasSuffix(" 1700051 uneven 1x600018,1x500015,1x600018") })
            #expect(facts.keys.contains("%2520%20odd%20%c3%a9%20a 1"))
        }
    }

    @Test func whatAMountKeepsSurvivesTheIndex() throws {
        try Self.use(["--metadata-only"]) { scenario in
            let point = try scenario.mount()
            for row in Self.rows {
                #expect(try Files.read("\(point)/\(row.key)", limit: 1 << 24).isSame(as: row.content))
            }
            #expect(try Clock.wait(seconds: 60) { try scenario.blobs.count >= 8 })
            scenario.unmount(point)
            let kept = try scenario.blobs
            #expect(try StoreDigest.blobsWithoutFacts(scenario.store) == [])
            try Self.lose("deleted", of: scenario.store)
            try scenario.succeed("reindex")
            #expect(try scenario.findings(status: 0).isEmpty)
            try scenario.server.reset()
            try scenario.succeed("sync", "--headers", "none")
            // Only what nothing vouches for has to come: a read does not keep it.
            let asked = try scenario.requests().keys.filter { !$0.contains("secret") && !$0.contains("odd") }
            #expect(asked.isEmpty)
            #expect(try Set(kept).isSubset(of: scenario.blobs))
        }
    }

    @Test func whatARepairFetchedSurvivesTheIndex() throws {
        try Self.use { scenario in
            try Files.remove("\(scenario.store)/blobs.facts")
            for path in try scenario.blobs { try Scenario.change("\(scenario.store)/blobs/\(path)") { $0[0] ^= 1 } }
            _ = try scenario.findings("--repair", status: 0)
            try Self.lose("deleted", of: scenario.store)
            try Self.expectNothingLost(scenario)
        }
    }

    // MARK: - Stores without the file, or with a damaged one

    @Test(arguments: ["sync", "verify", "reindex"]) func aStoreOfAnEarlierProgramGetsTheFile(command: String) throws {
        try Self.use { scenario in
            let facts = try StoreDigest.facts(scenario.store)
            try Files.remove("\(scenario.store)/blobs.facts")
            try scenario.succeed(command)
            #expect(try StoreDigest.facts(scenario.store) == facts)
            try Self.lose("deleted", of: scenario.store)
            try Self.expectNothingLost(scenario)
        }
    }

    @Test func aStoreWithoutSuchContentsHasNoFile() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], [Row("plain", bytes("plain"))])
            for command in ["sync", "verify", "reindex", "sync"] { try scenario.succeed(command) }
            #expect(!Files.exists("\(scenario.store)/blobs.facts"))
        }
    }

    @Test func aTornEndSpoilsNothing() throws {
        try Self.use { scenario in
            let path = "\(scenario.store)/blobs.facts"
            let line = String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self).split(separator: "\n")[1]
            try Scenario.change(path) { $0 += Array(line.utf8).dropLast(9) }
            try Self.add(Self.names[1], Self.rows + [Self.secret(2)], to: scenario)
            try scenario.succeed("sync")
            #expect(try StoreDigest.facts(scenario.store).count == 8)
            #expect(try StoreDigest.blobsWithoutFacts(scenario.store) == [])
            try Self.lose("deleted", of: scenario.store)
            try Self.expectNothingLost(scenario)
        }
    }

    @Test func verifyMendsTheFile() throws {
        let damages: [(String, (inout [UInt8]) -> Void)] = [
            ("flipped", { bytes in for place in stride(from: 40, to: bytes.count, by: 100) { bytes[place] ^= 4 } }),
            ("zeroed", { bytes in for place in bytes.indices { bytes[place] = 0 } }),
            ("shortened", { $0.removeLast($0.count / 2) }), ("emptied", { $0.removeAll() }),
            ("foreign", { $0 = (0..<100_000).map { UInt8(truncatingIfNeeded: ($0 &* 7) >> 3) } }),
            ("one endless line", { $0 = Array(repeating: 0x61, count: 3 << 20) + [10] }),
        ]
        try Self.use { scenario in
            let facts = try StoreDigest.facts(scenario.store)
            for (what, damage) in damages {
                try Scenario.change("\(scenario.store)/blobs.facts", damage)
                let verify = try scenario.succeed("verify")
                // An end that is missing is what a kill leaves.
                let isTorn = ["zeroed", "shortened", "emptied"].contains(what)
                #expect(verify.stderr.contains("were damaged") != isTorn, "\(what): \(verify)")
                #expect(try StoreDigest.facts(scenario.store) == facts, "\(what)")
                let again = try scenario.succeed("verify")
                #expect(!again.stderr.contains("blobs.facts"), "\(what): \(again)")
                try Self.lose("deleted", of: scenario.store)
                try Self.expectNothingLost(scenario, what)
            }
        }
    }

    @Test(arguments: ["a directory", "a link", "a pipe", "of a newer program"])
    func whatIsNotTheFileIsReported(what: String) throws {
        try Self.use { scenario in
            let path = "\(scenario.store)/blobs.facts"
            let victim = "\(scenario.directory)/victim"
            try Files.replace(victim, with: bytes("untouched"))
            if what != "of a newer program" { try Files.remove(path) }
            switch what {
            case "a directory": try Files.createDirectory(path)
            case "a link": #expect(symlink(victim, path) == 0)
            case "a pipe": #expect(mkfifo(path, 0o644) == 0)
            default: try Scenario.change(path) { $0[14] = UInt8(ascii: "2") }
            }
            let before = try? Files.read(path, limit: 1 << 20)
            try Self.add(Self.names[1], Self.rows + [Self.secret(2)], to: scenario)
            let sync = try scenario.run("sync")
            #expect(sync.status == 1 && sync.stderr.contains("blobs.facts"), "\(sync)")
            let verify = try scenario.run("verify")
            #expect(verify.status == (what == "of a newer program" ? 0 : 1), "\(verify)")
            #expect((verify.text + verify.stderr).contains("blobs.facts"), "\(verify)")
            #expect(try Files.read(victim, limit: 100) == bytes("untouched"))
            #expect((try? Files.read(path, limit: 1 << 20)) == before)
            // Nothing was named without its facts.
            #expect(try scenario.blobs.count == Set(Self.rows.map(\.content)).count)
            if what != "of a newer program" { try Files.removeAll(path) }
        }
    }

    // MARK: - Others

    @Test func aPruneShrinksIt() throws {
        try Scenario.withBucket { scenario in
            let dropped = (0..<3).map(Self.secret), kept = (3..<5).map(Self.secret)
            let markers = dropped.map { row in
                Row(row.key, [], versionId: "m\(row.key)", at: "2024-03-02T12:00:00.000Z").with { $0.isMarker = true }
            }
            try Self.add(Self.names[0], dropped + kept, to: scenario)
            try scenario.succeed("sync")
            let old = dropped.map { row in row.with { $0.isLatest = false } }
            try Self.add(Self.names[1], kept + old + markers, to: scenario)
            try scenario.succeed("sync")
            try Self.add(Self.names[2], kept + markers, to: scenario)
            try scenario.succeed("sync")
            try scenario.succeed("prune", "--keep-last", "1")
            #expect(try StoreDigest.facts(scenario.store).count == 2)
            #expect(try StoreDigest.blobsWithoutFacts(scenario.store) == [])
            try Self.lose("deleted", of: scenario.store)
            try scenario.succeed("reindex")
            #expect(try scenario.findings(status: 0).isEmpty)
        }
    }

    @Test func aCloneHasThem() throws {
        try Self.use { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            let clone = try scenario.clone(place, "clone")
            #expect(try StoreDigest.facts(clone) == StoreDigest.facts(scenario.store))
            // A store that lost its index can still push to its replica, and a clone can be brought up to date.
            try Self.lose("deleted", of: scenario.store)
            try Self.expectNothingLost(scenario)
            try Self.add(Self.names[1], Self.rows + [Self.secret(2)], to: scenario)
            try scenario.succeed("sync")
            try scenario.push(place)
            try scenario.clone(place, "clone")
            #expect(try StoreDigest.facts(clone) == StoreDigest.facts(scenario.store))
            try scenario.expectSame(clone, as: scenario.store)
        }
    }
}
