import Basics
import Glibc
import Model
import Testing

@testable import Packs

/// Bits that flip, files that end too early, writers that are killed.
@Suite struct PackDamageTests {
    /// A pack in memory, to be damaged.
    private struct Victim {
        let scratch = try? PackScratch()
        let samples: [Sample]
        let places: [UInt32]
        let bytes: [UInt8]
        let name: PackName
        let directory: Int64

        init(count: Int) throws {
            var random = SeededNumbers(7)
            let sizes = (0..<count).map { _ in Int.random(in: 4..<200, using: &random) }
            samples = Sample.some(sizes + [9000], &random) + [.plain([])]
            let scratch = try #require(scratch)
            let (pack, places) = try scratch.write(samples)
            self.places = places
            bytes = try scratch.bytes(pack)
            name = pack.name
            directory = try PackFile(path: scratch.folder.path(of: name)).trailer.directory
        }

        func record(_ index: Int) -> PackRecord { PackRecord(name: samples[index].name, place: places[index]) }
        var records: [PackRecord] { samples.indices.map(record) }

        func put(_ bytes: [UInt8]) throws -> String { try #require(scratch).put(bytes) }
    }

    @Test func aFlippedBitHitsWhatItIsIn() throws {
        let victim = try Victim(count: 700)
        var random = SeededNumbers(8)
        for round in 0..<500 {
            // Every fourth one outside of the records, where there is more to go wrong.
            let region = [
                0..<20, Int(victim.directory)..<victim.bytes.count - 68, victim.bytes.count - 68..<victim.bytes.count,
            ]
            let within = round % 4 == 0 ? region[round / 4 % 3] : 20..<Int(victim.directory)
            let place = Int.random(in: within, using: &random)
            var bytes = victim.bytes
            bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            try Self.check(victim, try victim.put(bytes), place, "round \(round), byte \(place)")
        }
    }

    private static func check(_ victim: Victim, _ path: String, _ place: Int, _ what: String) throws {
        var (records, damage) = (victim.records, [Range<Int64>]())
        let hit = records.firstIndex { Int64($0.place)..<$0.end ~= Int64(place) }
        if let hit {
            damage = [Int64(records[hit].place)..<records[hit].end]
            records.remove(at: hit)
        }
        let isInFrame = place < 20 || place >= victim.bytes.count - 68
        if !isInFrame {
            let file = try PackFile(path: path)
            #expect(try !file.isWhole(victim.name), "\(what)")
            var sound: [PackRecord] = []
            var damaged: [DamagedRecord] = []
            let failure = code {
                try file.verify {
                    sound.append($0)
                } damaged: {
                    damaged.append($0)
                }
            }
            if let hit {
                #expect(sound == records, "\(what)")
                #expect(damaged.map(\.place) == [victim.places[hit]], "\(what)")
                #expect(damaged.map(\.key) == [PackKey(victim.samples[hit].name)], "\(what)")
            } else {
                #expect(failure == .damaged, "\(what)")
            }
            for (index, sample) in victim.samples.enumerated() where hit == nil || index == hit || index % 50 == 0 {
                do {
                    #expect(try file.bytes(sample.name) == sample.bytes && index != hit, "\(what)")
                } catch let error as IcecoreError {
                    #expect(error.code == .damaged && (index == hit || hit == nil), "\(what)")
                }
            }
        } else {
            #expect(code { _ = try PackFile(path: path) } == .damaged, "\(what)")
        }
        // Where the trailer is damaged, the directory looks like damaged records.
        if place >= victim.bytes.count - 68 { damage.append(victim.directory..<Int64(victim.bytes.count)) }
        let scan = try PackScan(path: path).all()
        #expect(scan.records == records && scan.damage == damage, "\(what)")
        #expect(scan.soundEnd == (place < 20 ? 0 : damage.first?.lowerBound ?? victim.directory), "\(what)")
    }

    @Test func whatIsLeftOfACutPackIsFound() throws {
        let victim = try Victim(count: 300)
        var random = SeededNumbers(9)
        for round in 0..<50 {
            let length = round < 4 ? [0, 19, 20, 33][round] : Int.random(in: 34..<victim.bytes.count, using: &random)
            let path = try victim.put(Array(victim.bytes.prefix(length)))
            #expect(code { _ = try PackFile(path: path) } == .damaged)
            guard length >= 20 else {
                #expect(code { _ = try PackScan(path: path) } == .damaged)
                continue
            }
            let scan = try PackScan(path: path).all()
            let whole = victim.records.filter { $0.end <= Int64(length) }
            #expect(scan.records == whole, "cut to \(length)")
            #expect(scan.soundEnd == whole.last?.end ?? 20, "cut to \(length)")
            // Whoever goes on with it gets the pack that it was to be.
            let writer = try PackWriter(resuming: path)
            #expect(writer.count == whole.count)
            for sample in victim.samples.dropFirst(whole.count) { _ = try #require(try writer.append(sample)) }
            #expect(try writer.finish(in: #require(victim.scratch).folder)?.name == victim.name)
        }
    }

    @Test func severalPlacesAreDamagedAtOnce() throws {
        let victim = try Victim(count: 400)
        var random = SeededNumbers(10)
        for _ in 0..<30 {
            // A hole, as a power cut leaves it, and a lost end.
            var bytes = victim.bytes
            let start = Int.random(in: 0..<Int(victim.directory), using: &random)
            let hole = start..<min(start + Int.random(in: 1...5000, using: &random), Int(victim.directory))
            for place in hole { bytes[place] = 0 }
            let end = Int.random(in: Int(victim.directory) * 3 / 4..<bytes.count, using: &random)
            let path = try victim.put(Array(bytes.prefix(end)))
            let left = victim.records.filter { record in
                record.end <= end
                    && zip(Int(record.place)..<Int(record.end), bytes[Int(record.place)...]).allSatisfy {
                        victim.bytes[$0] == $1
                    }
            }
            // Without header and trailer it takes the first record to know the marker.
            if hole.lowerBound <= 20, hole.upperBound > 20 {
                #expect(code { _ = try PackScan(path: path) } == .damaged)
            } else {
                #expect(try PackScan(path: path).all().records == left)
            }
        }
    }

    @Test func theMarkerOfAnotherPackMisleadsNobody() throws {
        // A pack with a pack in it; the record in which that is gets damaged.
        let scratch = try PackScratch()
        let (inner, _) = try scratch.write([.plain([1, 2, 3]), .multipart([4, 5], parts: 3)])
        let samples = [Sample.plain([6]), .plain(try scratch.bytes(inner)), .plain([7])]
        let (outer, places) = try scratch.write(samples, marker: 77)
        var bytes = try scratch.bytes(outer)
        bytes[Int(places[1]) + 5] ^= 1
        let scan = try PackScan(path: try scratch.put(bytes)).all()
        #expect(scan.records.map(\.name) == [samples[0].name, samples[2].name])
        // Even with the same marker, a record is one in its place only.
        let (twin, positions) = try scratch.write(samples)
        bytes = try scratch.bytes(twin)
        bytes[Int(positions[1]) + 5] ^= 1
        #expect(
            try PackScan(path: try scratch.put(bytes)).all().records.map(\.name) == [samples[0].name, samples[2].name])
    }

    // MARK: - Killed writers

    @Test func whatAKilledWriterHasWrittenIsThere() throws {
        var random = SeededNumbers(11)
        let scratch = try PackScratch()
        let samples = Sample.some((0..<400).map { _ in Int.random(in: 4..<20_000, using: &random) }, &random)
        for round in 0..<10 {
            try Files.remove(scratch.unfinished)
            try Self.write(samples, to: scratch.unfinished, dyingAt: round * 40)
            let scan = try PackScan(path: scratch.unfinished).all()
            let found = scan.records.map(\.name)
            #expect(found == samples.prefix(found.count).map(\.name))
            // Everything that was made durable, which was a hundred at a time.
            #expect(found.count >= round * 40 / 100 * 100 && found.count <= round * 40)
            var recovered: [PackRecord] = []
            let writer = try PackWriter(resuming: scratch.unfinished) { recovered.append($0) }
            #expect(recovered == scan.records)
            for sample in samples { #expect(try (writer.append(sample) == nil) == found.contains(sample.name)) }
            let pack = try #require(try writer.finish(in: scratch.folder))
            let file = try PackFile(path: scratch.folder.path(of: pack.name))
            #expect(try file.isWhole(pack.name))
            for sample in samples { #expect(try file.bytes(sample.name) == sample.bytes) }
        }
    }

    /// A writer that vanishes with whatever it has not written; a hundred contents at a time are durable.
    private static func write(_ samples: [Sample], to path: String, dyingAt count: Int) throws {
        let writer = try PackWriter(path: path)
        for (index, sample) in samples.prefix(count).enumerated() {
            if index % 100 == 0 { try writer.synchronize() }
            _ = try writer.append(sample)
        }
        if count % 100 == 0 { try writer.synchronize() }
    }

    @Test func aWriterThatWasKilledBeforeTheNameIsResumed() throws {
        let scratch = try PackScratch()
        let (pack, _) = try scratch.write([.plain([1]), .plain([2])])
        try Files.rename(scratch.folder.path(of: pack.name), scratch.unfinished)
        let writer = try PackWriter(resuming: scratch.unfinished)
        #expect(try writer.finish(in: scratch.folder) == pack)
        #expect(try PackFile(path: scratch.folder.path(of: pack.name)).isWhole(pack.name))
    }

    @Test func aWriterWithoutAFileIsRefused() throws {
        let scratch = try PackScratch()
        #expect(code { _ = try PackWriter(path: "\(scratch.path)/no/pack") } == .notFound)
        #expect(code { _ = try PackWriter(resuming: "\(scratch.path)/none") } == .notFound)
        #expect(
            code { _ = try PackWriter(resuming: try scratch.put(Array("this is no pack, is it?".utf8))) } == .damaged)
        #expect(code { _ = try PackWriter(resuming: try scratch.put([])) } == .damaged)
    }
}
