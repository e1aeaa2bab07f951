import Basics
import CZlib
import Foundation
import ReferenceModel
import Testing

/// Random histories: what the rules find must be the truth wherever the inventories can know it.
@Suite struct ScenarioTests {
    private static let keys: [ByteString] = ["a", "a/", "a/b", "b", "c d", "\u{e9}", "e\u{301}"]

    @Test(arguments: 0..<8 as Range<UInt64>)
    func instantViewIsTheTruthWhereNothingIsEverDeletedForGood(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var life = BucketLife(seed: seed)
        var time: Int64 = 1_700_000_000
        for number in 1...150 {
            time += Int64(1 + random.below(3))
            let key = random.pick(Self.keys)
            life.steps.append(
                BucketLife.LifeStep(
                    time,
                    random.chance(70)
                        ? .put(key, [UInt8(random.below(3))], id: nil) : .delete(key, markerId: nil)))
            if number % 15 == 0 { life.steps.append(Self.inventory(time, number)) }
        }
        try expect(life, "Seed \(seed)") { life in
            var life = life
            // What comes after the last inventory is unknown.
            if let last = life.steps.last { life.steps.append(Self.inventory(last.time, 151)) }
            let replay = life.replay()
            let history = try History(replay.inventories)
            let lastOnly = try History(replay.inventories.suffix(1))
            for second in (life.steps.first?.time ?? 0) - 1...replay.bucket.clock {
                let instant = Timestamp(milliseconds: second * 1000)
                let truth = replay.bucket.view(at: instant)
                if history.instantView(at: instant) != truth { return "the view at \(instant) is not the truth" }
                if lastOnly.instantView(at: instant) != truth {
                    return "the view at \(instant) is not the truth, by the last inventory alone"
                }
            }
            return nil
        }
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func instantViewIsTheTruthWhereEveryChangeIsFollowedByAnInventory(seed: UInt64) throws {
        try expect(Self.inventoriedLife(seed: seed), "Seed \(seed)", together: 3) { life in
            var replay = BucketReplay(life)
            var known: [Timestamp: Set<KnownContent>] = [:]
            for step in life.steps {
                replay.perform(step)
                if case .takeInventory = step.operation { known[replay.bucket.now] = Self.contents(replay.bucket.view) }
            }
            let history = try History(replay.inventories)
            for second in (life.steps.first?.time ?? 0) - 1...replay.bucket.clock {
                let instant = Timestamp(milliseconds: second * 1000)
                // Reports without ids know the contents only.
                let truth = Self.contents(replay.bucket.view(at: instant))
                if Self.contents(history.instantView(at: instant)) != truth {
                    return "the view at \(instant) is not the truth"
                }
                if let known = known[instant], known != truth { return "the bucket forgets what it was at \(instant)" }
            }
            return nil
        }
    }

    /// A life in groups of three steps: how versioning is, a change, an inventory.
    private static func inventoriedLife(seed: UInt64) -> BucketLife {
        var random = SplitMix64(seed: seed)
        let kind = seed % 3 == 0 ? InventoryReport.Kind.currentOnly : .full
        var life = BucketLife(versioning: .unversioned, seed: seed)
        var replay = BucketReplay(life)
        var time: Int64 = 1_700_000_000
        for number in 1...100 {
            var versioning = replay.bucket.versioning
            if seed % 3 == 2, random.chance(10) { versioning = random.chance(50) ? .enabled : .suspended }
            time += Int64(1 + random.below(3))
            let key = random.pick(Self.keys)
            var change = BucketLife.Operation.setVersioning(versioning)
            switch random.below(10) {
            case ..<5: change = .put(key, [UInt8(random.below(3))], id: nil)
            case ..<7: change = .delete(key, markerId: nil)
            case ..<9:
                if let version = replay.bucket.versions(key).last { change = .deleteVersion(key, version.id) }
            default: change = .expireNoncurrent(olderThan: 20)
            }
            for step in [
                BucketLife.LifeStep(time, .setVersioning(versioning)), BucketLife.LifeStep(time, change),
                Self.inventory(time, number, kind),
            ] { life.steps.append(replay.perform(step)) }
        }
        return life
    }

    private struct KnownContent: Hashable {
        let key: ByteString
        let lastModified: Timestamp
        let etag: ByteString
    }

    private static func contents(_ view: ShownVersions) -> Set<KnownContent> {
        Set(view.values.map { KnownContent(key: $0.key, lastModified: $0.lastModified, etag: $0.etag) })
    }

    private static func inventory(
        _ time: Int64, _ number: Int, _ kind: InventoryReport.Kind = .full
    ) -> BucketLife.LifeStep {
        BucketLife.LifeStep(time, .takeInventory(number, name: "S\(number)", milliseconds: 0, kind, Self.keys))
    }

    // MARK: What scenarios are

    @Test(arguments: 0..<24 as Range<UInt64>)
    func snapshotViewIsWhatIsMarkedLatest(seed: UInt64) throws {
        let scenario = HistoryScenario(seed: seed)
        #expect(scenario.inventories.count >= 7)
        #expect(Set(scenario.inventories.map(\.name)).count == scenario.inventories.count)
        try expect(scenario.life, "Seed \(seed)") { life in
            let inventories = life.replay().inventories
            let history = try History(inventories)
            for inventory in inventories {
                let latest = inventory.rows.filter { $0.isLatest && !$0.version.isMarker }.map(\.version)
                if history.snapshotView(inventory.name).map({ Set($0.values) }) != Set(latest) {
                    return "the view of \(inventory.name) is not what it marks latest"
                }
            }
            return nil
        }
    }

    @Test(arguments: 0..<24 as Range<UInt64>)
    func orderOfInventoriesNeverShows(seed: UInt64) throws {
        try expect(HistoryScenario(seed: seed).life, "Seed \(seed)") { life in
            var random = SplitMix64(seed: seed)
            let inventories = life.replay().inventories
            let history = try History(inventories)
            let shuffled = try History(random.shuffle(inventories))
            for key in history.keys where history.versions(key) != shuffled.versions(key) {
                return "the versions of \(key) depend on the order of syncs"
            }
            for instant in HistoryScenario.interestingInstants(history).prefix(20)
            where history.instantView(at: instant) != shuffled.instantView(at: instant) {
                return "the view at \(instant) depends on the order of syncs"
            }
            return nil
        }
    }

    @Test func scenariosAreTheSameForTheSameSeed() {
        let (one, two) = (HistoryScenario(seed: 7), HistoryScenario(seed: 7))
        #expect(one.inventories.map(\.rows) == two.inventories.map(\.rows))
        #expect(one.inventories.map(\.rows) != HistoryScenario(seed: 11).inventories.map(\.rows))
    }

    @Test func scenariosHoldEverythingThatTheRulesAreFor() throws {
        var seen: [String: Int] = [:]
        for seed: UInt64 in 0..<40 {
            let scenario = HistoryScenario(seed: seed)
            for inventory in scenario.inventories {
                if inventory.rows.contains(where: { $0.version.lastModified > inventory.takenAt }) {
                    seen["row newer than its inventory", default: 0] += 1
                }
                if case .prefix = inventory.kind { seen["inventory of a prefix", default: 0] += 1 }
                if inventory.kind == .currentOnly { seen["inventory without ids", default: 0] += 1 }
            }
            let history = try scenario.history()
            for key in history.keys {
                let facts = try #require(history.history(of: key))
                let versions = facts.versions
                func count(_ what: String, _ condition: Bool) { if condition { seen[what, default: 0] += 1 } }
                for version in versions {
                    let (runs, existence) = (facts.runs(of: version), facts.existence(of: version))
                    count("several runs", runs.count > 1)
                    count("never existed", existence.isEmpty)
                    count("multipart", version.etag.bytes.contains(UInt8(ascii: "-")))
                    count("marker", version.isMarker)
                    count("null", version.id == .null)
                    count("starts late", facts.start(of: version) > version.lastModified)
                    for other in versions where other != version {
                        count("tie", other.lastModified == version.lastModified)
                        count("overruled", facts.overrules(version, other))
                        count(
                            "overruled multipart",
                            facts.overrules(version, other) && version.lastModified < other.lastModified)
                    }
                    if let run = runs.last, run.upperBound + 1 < facts.listings.count {
                        let next = facts.listings[run.upperBound + 1]
                        count(
                            "ends after the next inventory",
                            existence.last.map { $0.upperBound > next.takenAt } ?? false)
                    }
                }
            }
        }
        for what in [
            "row newer than its inventory", "inventory of a prefix", "inventory without ids", "several runs",
            "never existed", "multipart", "marker", "null", "starts late", "tie", "overruled", "overruled multipart",
            "ends after the next inventory",
        ] {
            #expect(seen[what, default: 0] >= 3, "\(what): \(seen[what, default: 0])")
        }
    }

    @Test func contentsHaveTheETagsOfTheirVersions() throws {
        var multipart = 0
        for seed: UInt64 in 0..<12 {
            let scenario = HistoryScenario(seed: seed)
            for version in try scenario.history().allVersions where !version.isMarker {
                let content = scenario.content(of: version)
                #expect(Int64(content.count) == version.size)
                if let partSize = scenario.bucket.partSizes[version.etag] {
                    #expect(SimulatedBucket.multipartETag(content, partSize: partSize) == version.etag)
                    multipart += 1
                } else {
                    #expect(ByteString(Hex.encode(MD5.digest(content))) == version.etag)
                }
            }
        }
        #expect(multipart > 0)
        // From `( printf abc | md5sum; printf d | md5sum ) | cut -c1-32 | xxd -r -p | md5sum`.
        #expect(SimulatedBucket.multipartETag(Array("abcd".utf8), partSize: 3) == "26b10a702bd95f42e3c2737f5975aa20-2")
    }

    // MARK: Files

    @Test(arguments: 0..<16 as Range<UInt64>)
    func writtenInventoriesSayWhatTheyAre(seed: UInt64) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "inventories-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let scenario = HistoryScenario(seed: seed, withNUL: true)
        try scenario.writeInventories(to: directory)
        for inventory in scenario.inventories {
            let (takenAt, rows) = try Self.readInventory("\(directory)/\(inventory.name)", data: "\(directory)/data")
            #expect(takenAt == inventory.takenAt)
            #expect(rows == Set(inventory.rows), "\(inventory.name)")
        }
    }

    private struct WrittenManifest: Decodable {
        struct WrittenFile: Decodable {
            let key: String
            let size: Int
            let checksum: String

            enum CodingKeys: String, CodingKey {
                case key, size
                case checksum = "MD5checksum"
            }
        }

        let creationTimestamp: String
        let fileSchema: String
        let files: [WrittenFile]
    }

    private static func readInventory(
        _ path: String, data: String
    ) throws -> (Timestamp, Set<InventoryReport.Row>) {
        let bytes = try Files.read("\(path)/manifest.json", limit: 1 << 20)
        let checksum = String(decoding: try Files.read("\(path)/manifest.checksum", limit: 100), as: UTF8.self)
        #expect(checksum == Hex.encode(MD5.digest(bytes)) + "\n")
        let manifest = try JSONDecoder().decode(WrittenManifest.self, from: Data(bytes))
        let columns = manifest.fileSchema.components(separatedBy: ", ")
        var rows: Set<InventoryReport.Row> = []
        for file in manifest.files {
            let name = try #require(file.key.split(separator: "/").last)
            let content = try Files.read("\(data)/\(name)", limit: 1 << 20)
            #expect(content.count == file.size)
            #expect(Hex.encode(MD5.digest(content)) == file.checksum)
            for line in String(decoding: try gunzip(content), as: UTF8.self).split(separator: "\n") {
                let fields = line.dropFirst().dropLast().components(separatedBy: "\",\"")
                #expect(fields.count == columns.count)
                rows.insert(try row(Dictionary(uniqueKeysWithValues: zip(columns, fields))))
            }
        }
        let takenAt = try #require(Int64(manifest.creationTimestamp))
        return (Timestamp(milliseconds: takenAt), rows)
    }

    private static func row(_ fields: [String: String]) throws -> InventoryReport.Row {
        let key = try #require(fields["Key"].flatMap(percentDecode))
        let id = fields["VersionId"].map { $0.isEmpty ? VersionID.null : .id(ByteString($0)) } ?? .unknown
        let version = Version(
            key: key, id: id,
            lastModified: try #require(fields["LastModifiedDate"].flatMap { Timestamp(rfc3339: $0) }),
            etag: ByteString(try #require(fields["ETag"])), isMarker: fields["IsDeleteMarker"] == "true",
            size: try #require(fields["Size"].map { $0.isEmpty ? 0 : Int64($0) } ?? nil))
        return InventoryReport.Row(version, isLatest: fields["IsLatest"].map { $0 == "true" } ?? true)
    }

    private static func percentDecode(_ text: String) -> ByteString? {
        let pieces = text.replacing("+", with: " ").split(separator: "%", omittingEmptySubsequences: false)
        var bytes = Array(pieces[0].utf8)
        for piece in pieces.dropFirst() {
            guard let byte = Hex.decode(piece.utf8.prefix(2)), byte.count == 1 else { return nil }
            bytes += byte + piece.utf8.dropFirst(2)
        }
        return ByteString(bytes)
    }

    private static func gunzip(_ bytes: [UInt8]) throws -> [UInt8] {
        var (input, output) = (bytes, [UInt8](repeating: 0, count: 1 << 20))
        var stream = z_stream()
        try #require(icecore_inflate_init_gzip(&stream) == Z_OK)
        defer { inflateEnd(&stream) }
        let result = input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(target.count)
                return inflate(&stream, Z_FINISH)
            }
        }
        try #require(result == Z_STREAM_END)
        return Array(output[..<Int(stream.total_out)])
    }
}
