import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// Prunes of stores with packs: what is kept stays to the byte, and what the disk gets back is what was said.
@Suite struct PackedPruneTests {
    typealias Row = InventoryFolder.Row

    private static let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"

    /// A store whose contents move into packs, most of them, after each sync.
    final class PackedSubject: PruneTests.Subject {
        private var random: SplitMix64
        private var fileBytes: Int64 = 0

        override init(_ scenario: Scenario, seed: UInt64) throws {
            random = SplitMix64(seed: seed + 100)
            try super.init(scenario, seed: seed)
        }

        /// What is there already, even if it is doomed, no download would fetch.
        override func lay(_ version: Version) throws {
            if try content(of: version) == nil { try super.lay(version) }
        }

        override func content(of version: Version) throws -> [UInt8]? {
            try scenario.content(named: "\(version.etag.string)-\(version.size)")
        }

        override func blobNames() throws -> Set<String> {
            try super.blobNames().union(scenario.packed().allNames).subtracting(scenario.doomed())
        }

        override func blobBytes() throws -> Int64 {
            let names = Set(try scenario.packed().allNames)
            return try names.reduce(super.blobBytes()) { $0 + (Int64($1.split(separator: "-").last ?? "") ?? 0) }
        }

        override func sync(_ inventory: InventoryReport) throws {
            try super.sync(inventory)
            try scenario.moveIntoPacks(1 + random.below(9)) { _ in random.chance(80) }
        }

        override func prune(_ options: [String]) throws -> Int64 {
            fileBytes = try scenario.packed().fileBytes
            return try super.prune(options)
        }

        override func expectPacks(_ said: [String: Any], _ rehearsed: [String: Any]) throws {
            for field in ["droppedPacks", "rewrittenPacks", "packBytes", "deadBlobs", "deadBytes"] {
                #expect(said[field] as? Int == rehearsed[field] as? Int, "\(field)")
            }
            let packed = try scenario.packed()
            #expect(said["packBytes"] as? Int == Int(fileBytes - packed.fileBytes))
            let doomed = try scenario.doomed()
            #expect(said["deadBlobs"] as? Int == doomed.count)
            let status = try #require(try scenario.succeed("status", "--json").records.first)
            #expect(status["deadBlobs"] as? Int == doomed.count)
            #expect(status["deadBytes"] as? Int == bytes(Array(doomed)))
            #expect(doomed.isSubset(of: packed.allNames), "what is doomed and no longer there is forgotten")
            for names in packed.names.values {
                let (all, dead) = (bytes(names), bytes(names.filter(doomed.contains)))
                #expect(dead * 4 <= all && !doomed.isSuperset(of: names), "\(dead) of \(all)")
            }
        }

        private func bytes(_ names: [String]) -> Int {
            names.reduce(0) { $0 + (Int($1.split(separator: "-").last ?? "") ?? 0) }
        }
    }

    @Test(arguments: [UInt64](0..<6))
    func keptContentsStayAndOthersGo(seed: UInt64) throws {
        try Scenario.use { scenario in
            var random = SplitMix64(seed: seed)
            try PruneTests.live(PackedSubject(scenario, seed: seed), &random)
        }
    }

    @Test func aKilledPruneIsFinishedByTheNext() throws {
        try Scenario.use { scenario in
            let subject = try PackedSubject(scenario, seed: 8)
            for inventory in subject.life.inventories { try subject.sync(inventory) }
            var rules = KeepRules()
            rules.last = 2
            let shown = subject.shown(rules)
            let kept = subject.history.kept.suffix(2).map(\.name)
            let listings = try kept.map { try scenario.succeed("ls", "-R", "--json", "--at", $0).stdout }
            let copy = "\(scenario.directory)/copy"
            try FileManager.default.copyItem(atPath: scenario.store, toPath: copy)
            func restore() throws {
                try FileManager.default.removeItem(atPath: scenario.store)
                try FileManager.default.copyItem(atPath: copy, toPath: scenario.store)
            }
            func state() throws -> [[String]] {
                let packed = try scenario.packed()
                return [
                    try subject.blobNames().sorted(), try scenario.doomed().sorted(), packed.allNames.sorted(),
                    packed.files.values.sorted().map(String.init),
                ]
            }
            try subject.prune(["--keep-last", "2"])
            let reference = try state()
            try restore()
            let words = ["prune", "--store", scenario.store, "--keep-last", "2", "--json"]
            let count = "\(scenario.directory)/count"
            let whole = try scenario.run(words, environment: FaultShim.environment(["FAULT_COUNT": count]))
            #expect(whole.status == 0, "\(whole)")
            let said = try whole.records.last
            for field in ["droppedPacks", "rewrittenPacks", "deadBlobs"] {
                #expect(said?[field] as? Int ?? 0 > 0, "there is something of each kind: \(field)")
            }
            let calls = try #require(Int(String(decoding: Files.read(count, limit: 100), as: UTF8.self).dropLast()))
            var killed = 0
            for call in stride(from: calls / 4, through: calls, by: Self.isSoak ? 1 : max(1, calls / 24)) {
                try restore()
                let run = try scenario.run(words, environment: FaultShim.environment(["FAULT_KILL": "\(call)"]))
                killed += run.status == 128 + SIGKILL ? 1 : 0
                let moment = "call \(call) of \(calls)"
                try subject.expectContents(shown, moment)
                #expect(try kept.map { try scenario.succeed("ls", "-R", "--json", "--at", $0).stdout } == listings)
                try subject.expectSound(moment)
                let next = try scenario.run(words)
                #expect(next.status == 0, "\(moment): \(next)")
                try subject.expectContents(shown, moment)
                #expect(try state() == reference, "\(moment)")
                #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty, "\(moment)")
            }
            #expect(killed > 10)
        }
    }

    // MARK: - What is taken up again

    private static let names = (2...9).map { "2024-03-0\($0)T01-00Z" }
    private static let rows = (0..<20).map { Row("key/\($0)", RealBucket.content(seed: UInt64($0), count: 100)) }

    private static func name(_ row: Row) -> String { "\(Hex.encode(MD5.digest(row.content)))-\(row.content.count)" }

    private func stored(_ scenario: Scenario) throws -> [Int?] {
        let status = try scenario.succeed("status", "--json").records.first
        return ["blobs", "blobBytes", "missing"].map { status?[$0] as? Int }
    }

    private func prune(_ scenario: Scenario) throws -> [Int?] {
        let said = try scenario.succeed("prune", "--keep-last", "1", "--json").records.last
        return ["blobs", "droppedPacks", "rewrittenPacks", "deadBlobs", "deadBytes"].map { said?[$0] as? Int }
    }

    @Test func aDoomedContentIsTakenUpAgain() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync")
            try scenario.moveIntoPacks(100)
            try scenario.add(Self.names[1], Array(Self.rows[1...]))
            try scenario.succeed("sync")
            #expect(try stored(scenario) == [20, 2000, 0])
            // A twentieth is dead: it stays, and does not count.
            for _ in 0..<2 {
                #expect(try prune(scenario) == [0, 0, 0, 1, 100])
                #expect(try stored(scenario) == [19, 1900, 0])
                #expect(try scenario.doomed() == [Self.name(Self.rows[0])])
            }
            // Another version has it: nothing is fetched.
            let again = Row("again", Self.rows[0].content, at: "2024-03-03T12:00:00.000Z")
            try scenario.add(Self.names[2], Self.rows[1...] + [again])
            let synced = try scenario.succeed("sync", "--json").record
            #expect(synced["fetched"] as? Int == 0 && synced["newVersions"] as? Int == 1)
            #expect(try scenario.succeed("cat", "again").stdout == again.content)
            #expect(try prune(scenario) == [0, 0, 0, 0, 0])
            #expect(try stored(scenario) == [20, 2000, 0])
            #expect(try scenario.doomed().isEmpty)
            // More than a quarter is dead: what was taken up again is in the new pack.
            try scenario.add(Self.names[3], Self.rows[7...] + [again])
            try scenario.succeed("sync")
            #expect(try prune(scenario) == [6, 0, 1, 0, 0])
            #expect(try stored(scenario) == [14, 1400, 0])
            #expect(try scenario.succeed("cat", "again").stdout == again.content)
            #expect(try scenario.packed().allNames.count == 14)
            #expect(try scenario.run("verify").status == 0)
            // Nothing of it is needed.
            let last = Row("last", bytes("last"), at: "2024-03-05T12:00:00.000Z")
            try scenario.add(Self.names[4], [last])
            try scenario.succeed("sync")
            let size = try scenario.packed().fileBytes
            let said = try scenario.succeed("prune", "--keep-last", "1", "--json").records.last
            #expect(said?["droppedPacks"] as? Int == 1 && said?["packBytes"] as? Int == Int(size))
            #expect(try scenario.packed().files.isEmpty && stored(scenario) == [1, 4, 0])
            #expect(try scenario.doomed().isEmpty)
        }
    }

    @Test func aCountOfWhatIsThereLeavesOutWhatIsDoomed() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync")
            try scenario.moveIntoPacks(10) { $0 != Self.name(Self.rows[7]) }
            try scenario.add(Self.names[1], Array(Self.rows[1...]))
            try scenario.succeed("sync")
            #expect(try prune(scenario).last == 100)
            try scenario.succeed("reindex")
            #expect(try stored(scenario) == [19, 1900, 0])
            #expect(try scenario.doomed() == [Self.name(Self.rows[0])])
            #expect(try prune(scenario).last == 100)
            try scenario.succeed("verify", "--repair")
            #expect(try stored(scenario) == [19, 1900, 0])
        }
    }

    /// Encrypted contents, and uploads in parts: the index knows what their ETags do not say.
    @Test func whatIsKnownOfADoomedContentIsKnownWhenItIsTakenUpAgain() throws {
        try Scenario.withBucket { scenario in
            let secret = Row("secret", bytes("encrypted")).with {
                $0.etag = "0123456789abcdef0123456789abcdef"
                $0.encryption = "SSE-KMS"
            }
            try scenario.add(Self.names[0], Self.rows + [secret])
            try scenario.succeed("sync")
            try scenario.moveIntoPacks(100)
            let name = try #require(try scenario.packed().allNames.first { $0.hasPrefix("x-") })
            try scenario.add(Self.names[1], Self.rows)
            try scenario.succeed("sync")
            for _ in 0..<2 {
                #expect(try prune(scenario) == [0, 0, 0, 1, 9])
                #expect(try scenario.doomed() == [name])
            }
            var again = secret
            again.key = "again"
            again.lastModified = "2024-03-03T12:00:00.000Z"
            try scenario.add(Self.names[2], Self.rows + [again])
            #expect(try scenario.succeed("sync", "--json").record["fetched"] as? Int == 0)
            #expect(try scenario.succeed("cat", "again").text == "encrypted")
            #expect(try prune(scenario) == [0, 0, 0, 0, 0])
            #expect(try scenario.succeed("cat", "again").text == "encrypted")
            try scenario.add(Self.names[3], Self.rows)
            try scenario.succeed("sync")
            #expect(try prune(scenario) == [0, 0, 0, 1, 9])
            // With its pack goes what is known of it.
            try scenario.add(Self.names[4], [Row("last", bytes("last"), at: "2024-03-05T12:00:00.000Z")])
            try scenario.succeed("sync")
            #expect(try prune(scenario) == [21, 1, 0, 0, 0])
            #expect(try scenario.doomed().isEmpty)
            try scenario.add(Self.names[5], [again])
            #expect(try scenario.succeed("sync", "--json").record["fetched"] as? Int == 1)
            #expect(try scenario.succeed("cat", "again").text == "encrypted")
        }
    }

    /// What was moved twice, or was not removed where it had been, is one content.
    @Test func aContentInSeveralPlacesIsOne() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync")
            func lay(_ rows: some Sequence<Row>) throws {
                for row in rows {
                    let name = Self.name(row)
                    try Files.replace(
                        "\(scenario.store)/blobs/\(name.prefix(2))/\(name)", with: row.content, mode: 0o444)
                }
            }
            try scenario.moveIntoPacks(100)
            try lay(Self.rows[0..<2])
            try scenario.moveIntoPacks(100) { $0 == Self.name(Self.rows[0]) }
            try scenario.succeed("reindex")
            #expect(try stored(scenario) == [20, 2000, 0])
            try scenario.add(Self.names[1], Array(Self.rows[2...]))
            try scenario.succeed("sync")
            // A pack goes, and the file; in the other pack both contents stay.
            #expect(try prune(scenario) == [0, 1, 0, 2, 200])
            #expect(try scenario.doomed() == Set(Self.rows[0..<2].map(Self.name)))
            #expect(try StoreDigest.files("\(scenario.store)/blobs").isEmpty)
            #expect(try stored(scenario) == [18, 1800, 0])
            // Two packs of the same are written anew each on its own.
            try lay(Self.rows)
            try scenario.moveIntoPacks(100)
            try scenario.add(Self.names[2], Array(Self.rows[10...]))
            try scenario.succeed("sync")
            let before = try scenario.packed().fileBytes
            let rehearsal = try scenario.succeed("prune", "--keep-last", "1", "--json", "--dry-run").records.last
            #expect(try prune(scenario) == [10, 0, 2, 0, 0])
            let packed = try scenario.packed()
            #expect(packed.files.count == 2 && packed.allNames.count == 20)
            #expect(rehearsal?["packBytes"] as? Int == Int(before - packed.fileBytes))
            #expect(try stored(scenario) == [10, 1000, 0])
            #expect(try scenario.run("verify").status == 0)
        }
    }

    /// As a blob, it does; what is in a pack stays for as long as the pack does, there as here.
    @Test func whatIsDoomedLeavesTheReplica() throws {
        try Scenario.withBucket { scenario in
            let place = try PushTests.place("file", scenario)
            let replica = String(place.url.dropFirst(7))
            let blob = "\(replica)/blobs/\(Self.name(Self.rows[0]).prefix(2))/\(Self.name(Self.rows[0]))"
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync")
            try scenario.push(place)
            #expect(Files.exists(blob))
            try scenario.moveIntoPacks(100)
            try scenario.push(place)
            try scenario.add(Self.names[1], Array(Self.rows[1...]))
            try scenario.succeed("sync")
            #expect(try prune(scenario) == [0, 0, 0, 1, 100])
            try scenario.push(place, "--prune")
            try scenario.push(place, "--prune", "--grace", "0h")
            #expect(!Files.exists(blob))
            for _ in 0..<2 { try scenario.push(place, "--prune", "--grace", "0h") }
            #expect(!Files.exists(blob), "it is not sent again")
            let packs = try scenario.packed().files.keys.map { "\(replica)/packs/\($0.prefix(2))/\($0)" }
            #expect(packs.count == 1 && packs.allSatisfy { Files.exists($0) })
            // A row names it again before the next prune: its pack has it.
            let again = Row("again", Self.rows[0].content, at: "2024-03-03T12:00:00.000Z")
            try scenario.add(Self.names[2], Self.rows[1...] + [again])
            try scenario.succeed("sync")
            try scenario.push(place)
            let cat = try scenario.run([
                "cat", "again", "--replica", place.url, "--cache", "\(scenario.directory)/cache",
            ])
            #expect(cat.status == 0 && cat.stdout.isSame(as: again.content), "\(cat)")
        }
    }

    // MARK: - Full disks

    private static func large(_ numbers: Range<Int>, _ day: Int) -> [Row] {
        numbers.map { Row("large/\($0)", RealBucket.content(seed: UInt64($0), count: 100_000)) }
    }

    @Test func withoutRoomForAnotherPackTheOldOneStays() throws {
        try Scenario.withBucket { scenario in
            try scenario.withStore(on: .tmpfs(kibibytes: 32 << 10)) { point in
                let (some, others) = (Self.large(0..<10, 1), Self.large(10..<70, 1))
                try scenario.add(Self.names[0], some)
                try scenario.succeed("sync")
                try scenario.moveIntoPacks(100)
                try scenario.add(Self.names[1], some + others)
                try scenario.succeed("sync")
                try scenario.moveIntoPacks(100)
                try scenario.add(Self.names[2], Array(others[24...]))
                try scenario.succeed("sync")
                try scenario.fill(point, leaving: 0)
                let run = try scenario.run("prune", "--keep-last", "1", "--json")
                #expect(run.status == 0 && run.stderr.contains("no room to write 1 pack anew"), "\(run)")
                let said = try run.records.last
                #expect(said?["droppedPacks"] as? Int == 1 && said?["rewrittenPacks"] as? Int == 0)
                #expect(said?["blobs"] as? Int == 10 && said?["deadBlobs"] as? Int == 24)
                #expect(try Files.freeBytes(point) > 900_000)
                #expect(try scenario.run("verify").status == 0)
                try Files.remove("\(point)/filler")
                #expect(try prune(scenario) == [24, 0, 1, 0, 0])
                for row in others[24...] { #expect(try scenario.content(named: Self.name(row)) == row.content) }
                #expect(try scenario.run("verify").status == 0)
            }
        }
    }

    @Test func onePackMakesRoomForTheNext() throws {
        try Scenario.withBucket { scenario in
            try scenario.withStore(on: .tmpfs(kibibytes: 48 << 10)) { point in
                let rows = Self.large(0..<100, 1)
                try scenario.add(Self.names[0], rows)
                try scenario.succeed("sync")
                try scenario.moveIntoPacks(10)
                try scenario.add(Self.names[1], Array(rows[50...]))
                try scenario.succeed("sync")
                // All of them together take 5 MB.
                try scenario.fill(point, leaving: 1 << 10)
                let before = try scenario.packed().fileBytes
                let run = try scenario.run("prune", "--keep-last", "1", "--json")
                #expect(run.status == 0 && run.stderr.isEmpty, "\(run)")
                let said = try run.records.last
                #expect((said?["blobs"] as? Int ?? 0) + (said?["deadBlobs"] as? Int ?? 0) == 50)
                #expect(said?["rewrittenPacks"] as? Int ?? 0 > 5)
                let packed = try scenario.packed()
                #expect(said?["packBytes"] as? Int == Int(before - packed.fileBytes))
                for row in rows[50...] { #expect(try scenario.content(named: Self.name(row)) == row.content) }
            }
        }
    }

    @Test func aDamagedPackIsLeftAlone() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync")
            try scenario.moveIntoPacks(100)
            try scenario.add(Self.names[1], Array(Self.rows[10...]))
            try scenario.succeed("sync")
            let pack = try #require(try scenario.packed().files.keys.first)
            try Scenario.change("\(scenario.store)/packs/\(pack.prefix(2))/\(pack)") { $0[50] ^= 1 }
            let run = try scenario.run("prune", "--keep-last", "1")
            #expect(run.status == 0 && run.stderr.contains("1 pack is damaged"), "\(run)")
            #expect(try scenario.doomed().count == 10)
            #expect(Files.exists("\(scenario.store)/packs/\(pack.prefix(2))/\(pack)"))
        }
    }
}
