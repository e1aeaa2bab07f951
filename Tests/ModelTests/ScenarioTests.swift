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
        var bucket = SimulatedBucket(clock: 1_700_000_000, seed: seed)
        let beginning = bucket.clock
        var inventories: [InventoryReport] = []
        for number in 1...150 {
            bucket.advance(seconds: 1 + random.below(3))
            let key = random.pick(Self.keys)
            if random.chance(70) { bucket.put(key, [UInt8(random.below(3))]) } else { bucket.delete(key) }
            if number % 15 == 0 { inventories.append(Self.inventory(of: bucket, number)) }
        }
        let history = try History(inventories)
        let lastOnly = try History(inventories.suffix(1))
        for second in beginning...bucket.clock {
            let instant = Timestamp(milliseconds: second * 1000)
            #expect(history.instantView(at: instant) == bucket.view(at: instant), "at \(instant)")
            #expect(lastOnly.instantView(at: instant) == bucket.view(at: instant), "at \(instant), last only")
        }
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func instantViewIsTheTruthWhereEveryChangeIsFollowedByAnInventory(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let kind = seed % 3 == 0 ? InventoryReport.Kind.currentOnly : .full
        var bucket = SimulatedBucket(versioning: .unversioned, clock: 1_700_000_000, seed: seed)
        let beginning = bucket.clock
        var inventories: [InventoryReport] = []
        var truth: [Timestamp: Set<KnownContent>] = [:]
        for number in 1...100 {
            if seed % 3 == 2, random.chance(10) { bucket.setVersioning(random.chance(50) ? .enabled : .suspended) }
            bucket.advance(seconds: 1 + random.below(3))
            let key = random.pick(Self.keys)
            switch random.below(10) {
            case ..<5: bucket.put(key, [UInt8(random.below(3))])
            case ..<7: bucket.delete(key)
            case ..<9:
                if let version = bucket.versions(key).last { bucket.delete(key, versionId: version.id) }
            default: bucket.expireNoncurrent(olderThan: 20)
            }
            inventories.append(Self.inventory(of: bucket, number, kind))
            truth[bucket.now] = Self.contents(bucket.view)
        }
        let history = try History(inventories)
        for second in beginning...bucket.clock {
            let instant = Timestamp(milliseconds: second * 1000)
            // Reports without ids know the contents only.
            let expected = Self.contents(bucket.view(at: instant))
            #expect(Self.contents(history.instantView(at: instant)) == expected, "at \(instant)")
            if let known = truth[instant] { #expect(known == expected) }
        }
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
        of bucket: SimulatedBucket, _ number: Int, _ kind: InventoryReport.Kind = .full
    ) -> InventoryReport {
        InventoryReport(of: bucket, name: "S\(number)", takenAt: bucket.now, kind: kind)
    }

    // MARK: What scenarios are

    @Test(arguments: 0..<24 as Range<UInt64>)
    func snapshotViewIsWhatIsMarkedLatest(seed: UInt64) throws {
        let scenario = HistoryScenario(seed: seed)
        let history = try scenario.history()
        #expect(scenario.inventories.count >= 7)
        #expect(Set(scenario.inventories.map(\.name)).count == scenario.inventories.count)
        for inventory in scenario.inventories {
            let latest = inventory.rows.filter { $0.isLatest && !$0.version.isMarker }.map(\.version)
            #expect(history.snapshotView(inventory.name).map { Set($0.values) } == Set(latest))
        }
    }

    @Test(arguments: 0..<24 as Range<UInt64>)
    func orderOfInventoriesNeverShows(seed: UInt64) throws {
        let scenario = HistoryScenario(seed: seed)
        var random = SplitMix64(seed: seed)
        let history = try scenario.history()
        let shuffled = try History(random.shuffle(scenario.inventories))
        for key in history.keys { #expect(history.versions(key) == shuffled.versions(key)) }
        for instant in HistoryScenario.interestingInstants(history).prefix(20) {
            #expect(history.instantView(at: instant) == shuffled.instantView(at: instant))
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
