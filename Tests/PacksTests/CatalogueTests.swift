import Basics
import Model
import Testing

@testable import Packs

@Suite struct CatalogueTests {
    /// Packs that share some contents, and where each content is.
    private static func packs(
        _ scratch: PackScratch, _ counts: [Int]
    ) throws -> (packs: [(file: PackFile, name: PackName)], entries: [PackEntry]) {
        var packs: [(PackFile, PackName)] = []
        var entries: [PackEntry] = []
        for (number, count) in counts.enumerated() {
            let own = (0..<count).map { Sample.plain(Array("\($0) of \(number)".utf8)) }
            let shared = (0..<count / 10).map { Sample.plain(Array("\($0) of all".utf8)) }
            let (pack, places) = try scratch.write(own + shared)
            for (sample, place) in zip(own + shared, places) {
                entries.append(
                    PackEntry(key: try #require(PackKey(sample.name)), pack: UInt32(number + 1), place: place))
            }
            packs.append((try PackFile(path: scratch.folder.path(of: pack.name)), pack.name))
        }
        return (packs, entries.sorted())
    }

    private static func all(_ catalogue: PackCatalogue, buffer: Int = 1 << 20) throws -> [PackEntry] {
        let cursor = catalogue.entries(buffer: buffer)
        var entries: [PackEntry] = []
        while let entry = try cursor.read() { entries.append(entry) }
        return entries
    }

    @Test func manyDirectoriesBecomeOne() throws {
        let scratch = try PackScratch()
        let (packs, entries) = try Self.packs(scratch, [1, 5000, 200, 3000, 170, 10])
        var merge = CatalogueMerge()
        for (index, pack) in packs.enumerated() { try merge.add(pack.file, number: UInt32(index + 1), pack.name) }
        let path = "\(scratch.path)/catalogue"
        #expect(try merge.write(to: path) == Int64(entries.count))
        let catalogue = try PackCatalogue(path: path)
        #expect(catalogue.count == Int64(entries.count))
        #expect(try catalogue.isWhole())
        #expect(
            catalogue.packs == Dictionary(uniqueKeysWithValues: packs.enumerated().map { (UInt32($0 + 1), $1.name) }))
        #expect(try Self.all(catalogue) == entries && Self.all(catalogue, buffer: 1) == entries)
        for number in 0..<500 {
            let name = Sample.plain(Array("\(number) of all".utf8)).name
            #expect(try catalogue.find(name) == entries.filter { $0.key == PackKey(name) })
            #expect(try catalogue.find(Sample.plain(Array("\(number) of none".utf8)).name).isEmpty)
        }
        // Whoever remembers a block finds the same, in order and in none, what is there and what is not.
        let search = CatalogueSearch(catalogue)
        var keys = entries.enumerated().filter { $0.offset % 3 == 0 }.map(\.element.key)
        keys += (0..<1000).map { _ in PackKey(high: .random(in: 0 ... .max), low: 0) }
        for keys in [keys.sorted(), keys.shuffled(), [PackKey(high: 0, low: 0), PackKey(high: .max, low: .max)]] {
            for key in keys {
                let name = BlobName.etag(ETag(high: key.high, low: key.low, parts: 0), size: 1)
                if try search.find(name) != catalogue.find(name) { Issue.record("\(key)") }
            }
        }
        for number in 0..<5000 {
            let found = try catalogue.find(Sample.plain(Array("\(number) of 1".utf8)).name)
            if found.map(\.pack) != [2] { Issue.record("\(number): \(found)") }
        }
    }

    @Test func aCatalogueGrowsAndShrinks() throws {
        let scratch = try PackScratch()
        let (packs, entries) = try Self.packs(scratch, [300, 400, 500])
        let path = "\(scratch.path)/catalogue"
        var merge = CatalogueMerge()
        for (index, pack) in packs.prefix(2).enumerated() {
            try merge.add(pack.file, number: UInt32(index + 1), pack.name)
        }
        try merge.write(to: path)
        // In the place of the file that it reads.
        var second = CatalogueMerge()
        try second.add(try PackCatalogue(path: path)) { $0 != 1 }
        try second.add(packs[2].file, number: 3, packs[2].name)
        #expect(throws: IcecoreError.self) { try second.add(packs[0].file, number: 3, packs[0].name) }
        try second.write(to: path)
        let catalogue = try PackCatalogue(path: path)
        #expect(try Self.all(catalogue) == entries.filter { $0.pack != 1 })
        #expect(catalogue.packs.keys.sorted() == [2, 3])
        #expect(try Files.names(in: scratch.path) == ["catalogue", "packs"])
        try CatalogueMerge().write(to: path)
        #expect(try PackCatalogue(path: path).count == 0)
        #expect(try PackCatalogue(path: path).find(Sample.plain([]).name).isEmpty)
    }

    /// More contents of one key than a block has.
    @Test func oneContentInManyPacksIsFoundInAll() throws {
        let scratch = try PackScratch()
        let packs = try (0..<400).map { number in
            try scratch.write([.plain([1]), .plain(Array("\(number)".utf8))], marker: UInt32(number + 1)).pack.name
        }
        var merge = CatalogueMerge()
        for (number, name) in packs.enumerated() {
            try merge.add(try PackFile(path: scratch.folder.path(of: name)), number: UInt32(number), name)
        }
        let path = "\(scratch.path)/catalogue"
        try merge.write(to: path)
        let catalogue = try PackCatalogue(path: path)
        #expect(try catalogue.find(Sample.plain([1]).name).map(\.pack) == Array(0..<400))
        for number in 0..<400 where number != 1 {
            #expect(try catalogue.find(Sample.plain(Array("\(number)".utf8)).name).map(\.pack) == [UInt32(number)])
        }
    }

    @Test func damageIsNoticed() throws {
        let scratch = try PackScratch()
        let (packs, entries) = try Self.packs(scratch, [300, 400])
        var merge = CatalogueMerge()
        for (index, pack) in packs.enumerated() { try merge.add(pack.file, number: UInt32(index + 1), pack.name) }
        let path = "\(scratch.path)/catalogue"
        try merge.write(to: path)
        let bytes = try Files.read(path, limit: 1 << 20)
        var random = SeededNumbers(12)
        for _ in 0..<300 {
            var changed = bytes
            let place = Int.random(in: 0..<bytes.count, using: &random)
            changed[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            if Bool.random(using: &random) { changed.removeLast(Int.random(in: 1..<bytes.count, using: &random)) }
            try Files.replace(path, with: changed)
            let failure = code {
                let catalogue = try PackCatalogue(path: path)
                #expect(try !catalogue.isWhole())
                for entry in entries where entry.place % 16 == 0 {
                    let etag = ETag(high: entry.key.high, low: entry.key.low, parts: 0)
                    if let found = try? catalogue.find(.etag(etag, size: 0)) { #expect(found.contains(entry)) }
                }
                _ = try Self.all(catalogue)
            }
            #expect(failure == .damaged, "byte \(place)")
        }
    }
}
