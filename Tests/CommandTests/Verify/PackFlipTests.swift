import Basics
import Foundation
import Model
import Packs
import ReferenceModel
import Testbed
import Testing

/// Bits of packs that change by themselves, and packs that are cut: exactly the contents that are hit are named, and come
/// back.
@Suite struct PackFlipTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"

    /// Contents of all kinds that packs have.
    private static func rows() -> [Row] {
        (0..<260).map { number in
            var random = SplitMix64(seed: UInt64(number))
            let content =
                bytes("content \(number) ")
                + RealBucket.content(
                    seed: UInt64(number), count: random.below(900))
            let row = Row("\(number % 5)/\(number)", content)
            return switch number % 10 {
            case 3: row.with { $0.etag = Hex.encode(MD5.digest(MD5.digest(content))) + "-1" }
            case 7:
                row.with {
                    $0.etag = Hex.encode(MD5.digest(bytes("opaque \(number)")))
                    $0.encryption = "SSE-KMS"
                }
            default: row
            }
        }
    }

    /// What is damaged in a round.
    private struct Harm {
        var names: Set<String> = []
        /// Packs that are hit where no content is.
        var packs: Set<PackName> = []
    }

    private static func use(_ body: (Scenario, [PackName], [PackName: [PackRecord]]) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            scenario.rows = rows()
            try scenario.add(name, scenario.rows)
            try scenario.succeed("sync")
            let packs = try scenario.pack(into: 3)
            let records = Dictionary(uniqueKeysWithValues: try packs.map { ($0, try scenario.records($0)) })
            let run = try scenario.shell("cp -a \"$STORE\" '\(scenario.directory)/good'")
            try #require(run.status == 0, "\(run)")
            try body(scenario, packs, records)
        }
    }

    /// Compares what is found with what was done.
    private static func check(_ scenario: Scenario, _ harm: Harm, _ round: String) throws {
        let run = try scenario.run("verify", "--json")
        #expect(run.status == 1, "\(round): \(run)")
        var found = Harm()
        for record in try run.records {
            let path = record["path"] as? String ?? ""
            #expect(path.hasPrefix("packs/") && record["kind"] as? String == "damaged", "\(round): \(record)")
            if let key = record["key"] as? String {
                let row = try scenario.row(key)
                let name = String(scenario.blob(row).split(separator: "/").last ?? "")
                #expect((record["blob"] as? String ?? name) == name, "\(round): \(record)")
                #expect(found.names.insert(name).inserted, "\(round): twice")
            } else if let name = PackName(String(path.split(separator: "/").last ?? "")) {
                found.packs.insert(name)
            }
        }
        #expect(found.names == harm.names, "\(round)")
        #expect(found.packs == harm.packs, "\(round)")
    }

    private static func heal(_ scenario: Scenario, _ round: String) throws {
        try scenario.server.reset()
        let run = try scenario.run("verify", "--repair")
        #expect(run.status == 0, "\(round): \(run)")
        #expect(try scenario.findings(status: 0).isEmpty, "\(round)")
        try scenario.expectAllReadable()
    }

    private static func restore(_ scenario: Scenario) throws {
        let run = try scenario.shell("rm -rf \"$STORE\" && cp -a '\(scenario.directory)/good' \"$STORE\"")
        try #require(run.status == 0, "\(run)")
    }

    @Test func flippedBitsHitWhatTheyAreIn() throws {
        try Self.use { scenario, packs, records in
            var random = SplitMix64(seed: 3)
            var flips = 0
            var round = 0
            while flips < 500 {
                round += 1
                var harm = Harm()
                for pack in packs {
                    try Scenario.change(scenario.path(pack)) { content in
                        var places: Set<Int> = []
                        for _ in 0..<1 + random.below(12) {
                            // Now and then in what encloses the contents.
                            let place = random.chance(5) ? random.below(20) : random.below(content.count)
                            guard places.insert(place).inserted else { continue }
                            content[place] ^= 1 << UInt8(random.below(8))
                            flips += 1
                            let hit = records[pack]?.first { Int64($0.place) <= Int64(place) && Int64(place) < $0.end }
                            if let hit { harm.names.insert(hit.name.file) } else { harm.packs.insert(pack) }
                        }
                    }
                }
                try Self.check(scenario, harm, "round \(round)")
                if round % 4 == 0 {
                    try Self.heal(scenario, "round \(round)")
                    // What was not hit was not fetched.
                    let asked = try scenario.requests().count
                    #expect(asked <= harm.names.count, "round \(round): \(asked) of \(harm.names.count)")
                }
                try Self.restore(scenario)
            }
        }
    }

    @Test func cutPacksLackWhatIsBehindTheCut() throws {
        try Self.use { scenario, packs, records in
            var random = SplitMix64(seed: 4)
            for round in 1...17 {
                var harm = Harm()
                for pack in packs {
                    try Scenario.change(scenario.path(pack)) { content in
                        let length = random.chance(10) ? random.below(60) : random.below(content.count)
                        content.removeLast(content.count - length)
                        harm.packs.insert(pack)
                        for record in records[pack] ?? [] where record.end > Int64(length) {
                            harm.names.insert(record.name.file)
                        }
                    }
                }
                try Self.check(scenario, harm, "round \(round)")
                if round % 4 == 0 { try Self.heal(scenario, "round \(round)") }
                try Self.restore(scenario)
            }
        }
    }
}
