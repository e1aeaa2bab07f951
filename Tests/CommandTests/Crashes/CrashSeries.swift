import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// What a crash interrupts.
enum CrashCommand: String, CaseIterable {
    case sync, prune, repair, reindex, export
}

/// A store that grows and is pruned for as long as a test likes, and what has to be in it at every moment.
final class CrashSeries {
    typealias Row = InventoryFolder.Row

    let scenario: Scenario
    var store: String { scenario.store }
    /// The snapshots that there are, oldest first.
    private(set) var names: [String] = []
    private var random: SplitMix64
    private var rows: [Row] = []
    /// By snapshot: what it shows, by key; and what `ls` said of it first.
    private var shown: [String: [String: Row]] = [:]
    private var listings: [String: [UInt8]] = [:]
    private var day = 0
    private var exports = 0

    private init(_ scenario: Scenario, seed: UInt64) throws {
        self.scenario = scenario
        random = SplitMix64(seed: seed)
        rows = (0..<90).map { Row("small/\($0 % 4)/\($0)", bytes("content \($0)"), at: time) }
        rows += ["shared/a", "shared/b"].map { Row($0, bytes("the same"), at: time) }
        rows.append(large(0))
        rows.append(
            Row("secret", bytes("encrypted"), at: time).with {
                $0.etag = "0123456789abcdef0123456789abcdef"
                $0.encryption = "SSE-KMS"
            })
    }

    /// A store with two snapshots.
    ///
    /// - Parameter packBelow: what is smaller goes into packs.
    static func use(seed: UInt64, packBelow: String? = nil, _ body: (CrashSeries) throws -> Void) throws {
        try Scenario.withBucket(packBelow: packBelow) { scenario in
            let crash = try CrashSeries(scenario, seed: seed)
            for _ in 0..<2 {
                try crash.changeBucket()
                try scenario.succeed("sync")
                try crash.expectSynced()
            }
            try body(crash)
        }
    }

    // MARK: - The bucket

    private var name: String {
        "\(Timestamp(milliseconds: 1_709_341_200_000 + Int64(day) * 86_400_000).rfc3339.prefix(10))T01-00Z"
    }
    private var time: String {
        "\(Timestamp(milliseconds: 1_709_337_600_000 + Int64(day) * 86_400_000).rfc3339.prefix(19)).000Z"
    }

    /// Uploaded in two parts, and large enough to be fetched in pieces.
    private func large(_ number: Int) -> Row {
        let content = RealBucket.content(seed: UInt64(number), count: 5_400_000)
        let part = 5 << 20
        let digests = MD5.digest(Array(content[..<part])) + MD5.digest(Array(content[part...]))
        return Row("large", content, at: time).with { $0.etag = Hex.encode(MD5.digest(digests)) + "-2" }
    }

    /// The next day, of which an inventory is taken: some keys are written anew, some are deleted.
    private func changeBucket() throws {
        day += 1
        // As a lifecycle rule does it: what is not current any more is listed for two days.
        let oldest = Timestamp(milliseconds: 1_709_337_600_000 + Int64(day - 2) * 86_400_000).rfc3339.prefix(10)
        rows.removeAll { !$0.isLatest && $0.lastModified < oldest }
        var added: [Row] = []
        for place in rows.indices where rows[place].isLatest && day > 1 {
            let row = rows[place]
            if row.key == "large" {
                guard random.chance(40) else { continue }
                added.append(large(day))
            } else {
                guard random.chance(25), row.key != "secret" else { continue }
                if random.chance(10), !row.isMarker {
                    added.append(
                        Row(row.key, [], versionId: "marker-\(day)-\(place)", at: time).with { $0.isMarker = true })
                } else {
                    added.append(Row(row.key, bytes("\(row.key) of day \(day)"), at: time))
                }
            }
            rows[place].isLatest = false
        }
        rows += added
        try scenario.add(name, rows)
    }

    private func blobName(_ row: Row) -> String {
        if row.encryption == "SSE-KMS" {
            let digest = Hex.encode(SHA256.digest(row.content))
            return "\(digest.prefix(2))/x-\(digest)-\(row.content.count)"
        }
        let etag = row.etag ?? Hex.encode(MD5.digest(row.content))
        return "\(etag.prefix(2))/\(etag)-\(row.content.count)"
    }

    // MARK: - Commands

    private(set) var words: [String] = []
    /// The blobs that must be there whatever happens, and of these the ones that were damaged.
    private var needed: [String: String] = [:]
    private var damaged: Set<String> = []

    private var target: String { "\(scenario.directory)/export-\(exports)" }

    /// Makes something to do for a command, and notes what it must not touch.
    func prepare(_ command: CrashCommand) throws {
        let blobs = try StoreDigest.contents(store)
        needed = blobs
        damaged = []
        switch command {
        case .sync:
            try changeBucket()
            words = ["sync", "--chunk-threshold", "1M", "--chunk-size", "1M"]
        case .prune:
            let kept = names.suffix(2).flatMap { shown[$0]?.values.map(blobName) ?? [] }
            needed = blobs.filter { kept.contains($0.key) }
            words = ["prune", "--keep-last", "2"]
        case .repair:
            // Only of what is current can be said that the source still has it.
            let current = Set(rows.filter { $0.isLatest && !$0.isMarker }.map(blobName))
            for name in random.shuffle(blobs.keys.filter { current.contains($0) }.sorted()).prefix(8) {
                let path = "\(store)/blobs/\(name)"
                if random.chance(25) {
                    try Files.remove(path)
                } else {
                    try Scenario.change(path) { content in
                        content[random.below(content.count)] ^= 1 << UInt8(random.below(8))
                    }
                }
                damaged.insert(name)
            }
            words = ["verify", "--repair"]
        case .reindex: words = ["reindex"]
        case .export:
            exports += 1
            words = ["export", target]
        }
        words.insert(contentsOf: ["--store", store], at: 1)
    }

    // MARK: - What has to be

    /// What must hold at every moment: every snapshot is whole, and its contents are there.
    func expectUnharmed(_ command: CrashCommand, _ moment: String) throws {
        let before = command == .prune ? Array(names.suffix(2)) : names
        let said = try scenario.succeed("snapshots", "--json").records.compactMap { $0["name"] as? String }
        let allowed = command == .sync ? [names, names + [name]] : command == .prune ? [names, before] : [names]
        try #require(allowed.contains(said), "\(moment): \(said)")
        for name in before {
            let listing = try scenario.succeed("ls", "-R", "--json", "--at", name).stdout
            #expect(listing.isSame(as: listings[name] ?? []), "\(moment): \(name)")
        }
        #expect(try StoreDigest.blobsWithoutFacts(store) == [], "\(moment)")
        let blobs = try StoreDigest.contents(store)
        for (name, digest) in needed where !damaged.contains(name) {
            #expect(blobs[name] == digest, "\(moment): \(name)")
        }
    }

    /// After a command that came to its end: all of that, nothing is left over, and what it is for is done.
    func expectFinished(_ command: CrashCommand, _ moment: String) throws {
        switch command {
        case .sync: try expectSynced()
        case .prune:
            for name in names.dropLast(2) { (shown[name], listings[name]) = (nil, nil) }
            names = names.suffix(2)
            let rest = try scenario.succeed("prune", "--keep-last", "2", "--dry-run", "--json").records.last
            #expect(rest?["bytes"] as? Int == 0 && rest?["blobs"] as? Int == 0, "\(moment)")
            #expect(try Files.names(in: "\(store)/inventories") == names, "\(moment)")
        case .repair: damaged = []
        case .reindex: break
        case .export:
            try expectExported(moment)
            try FileManager.default.removeItem(atPath: target)
        }
        try expectUnharmed(command, moment)
        let verify = try scenario.run("verify", "--json")
        #expect(verify.status == 0 && verify.stdout.isEmpty, "\(moment): \(verify)")
        #expect(try Files.names(in: "\(store)/tmp").isEmpty, "\(moment)")
        #expect(try !Files.names(in: store).contains { $0.contains(".new") }, "\(moment)")
        for name in try Files.names(in: "\(store)/quarantine") { try Files.removeAll("\(store)/quarantine/\(name)") }
    }

    /// The newest inventory is a snapshot, and shows what it lists.
    func expectSynced() throws {
        var expected: [String: Row] = [:]
        for row in rows where row.isLatest && !row.isMarker { expected[row.key] = row }
        let listing = try scenario.succeed("ls", "-R", "--json")
        let seen = try listing.records.reduce(into: [:]) { $0[$1["key"] as? String ?? ""] = $1["versionId"] as? String }
        #expect(seen == expected.mapValues(\.versionId), "\(name)")
        let contents = try StoreDigest.contents(store)
        for row in expected.values {
            #expect(contents[blobName(row)] == Hex.encode(MD5.digest(row.content)), "\(name): \(row.key)")
        }
        if names.last != name { names.append(name) }
        shown[name] = expected
        listings[name] = listing.stdout
    }

    private func expectExported(_ moment: String) throws {
        let expected = try #require(names.last.flatMap { shown[$0] })
        #expect(try exported(target).keys.sorted() == expected.keys.sorted(), "\(moment)")
        for (key, row) in expected {
            let content = try Files.read("\(target)/\(key)", limit: 1 << 24)
            #expect(content.isSame(as: row.content), "\(moment): \(key)")
        }
    }
}
