import Basics
import Inventory
import Testing

/// Inventories in key order.
@Suite struct SortedInventoryTests {
    /// `files` sorted lists of random keys, many of them in several files and with several versions.
    static func lists(_ files: Int, rows: Int, seed: UInt64, keys: Int) -> [[String]] {
        var random = SeededGenerator(seed)
        return (0..<files).map { file in
            (0..<rows).map { _ in "k/\(Int.random(in: 0..<keys, using: &random))" }.sorted { left, right in
                Array(left.utf8).lexicographicallyPrecedes(Array(right.utf8))
            }
        }
    }

    static func text(_ keys: [String]) -> String {
        keys.enumerated().map { ListFileTests.row($1, $0) }.joined()
    }

    /// The rows are in order, and they are those of the lists.
    static func check(_ rows: [PlainRow], _ lists: [[String]]) {
        for (left, right) in zip(rows, rows.dropFirst()) where right.key.lexicographicallyPrecedes(left.key) {
            Issue.record("\(right.text) comes after \(left.text)")
            return
        }
        var left = rows.map { "\($0.file) \($0.size) \(String(decoding: $0.key, as: UTF8.self))" }
        var right = lists.enumerated().flatMap { file, keys in keys.enumerated().map { "\(file) \($0) \($1)" } }
        left.sort()
        right.sort()
        #expect(left == right)
    }

    @Test(arguments: [(1, 5000), (2, 3000), (7, 2500), (40, 300), (60, 1)])
    func sortedFilesComeOutMergedHoweverTheyOverlap(files: Int, rows: Int) throws {
        let lists = Self.lists(files, rows: rows, seed: UInt64(files), keys: 4000)
        let inventory = try TestInventory(texts: lists.map(Self.text), schema: ListFileTests.schema)
        Self.check(try inventory.read(), lists)
        Self.check(try inventory.read(sortExternally: true), lists)
        Self.check(try inventory.read(sortExternally: true, memoryLimit: 1 << 20, threads: 1), lists)
    }

    @Test(arguments: [false, true])
    func thousandsOfFilesAreReadWithFewOpen(shuffled: Bool) throws {
        var random = SeededGenerator(7)
        var lists = (0..<2000).map { file in (0..<3).map { "k/\(100_000 + file * 3 + $0)" } }
        if shuffled { lists.shuffle(using: &random) }
        let inventory = try TestInventory(texts: lists.map(Self.text), schema: ListFileTests.schema)
        Self.check(try inventory.read(mostOpenFiles: 2), lists)
    }

    @Test func batchesAreLargeWhereFilesFollowEachOther() throws {
        let lists = (0..<4).map { file in (0..<20000).map { "k/\(1_000_000 + file * 20000 + $0)" } }
        let inventory = try TestInventory(texts: lists.map(Self.text), schema: ListFileTests.schema)
        let rows = try inventory.open()
        var batches = 0
        while try rows.next() != nil { batches += 1 }
        #expect(batches < 100)
        #expect(rows.progress.rowsParsed == 80000)
        #expect(rows.progress.filesDone == 4)
        #expect(rows.progress.compressedBytesRead == rows.progress.totalCompressedBytes)
        #expect(rows.progress.totalCompressedBytes > 0)
    }

    @Test func anUnsortedFileIsNamedWithItsLineAndCanBeSorted() throws {
        var lists = Self.lists(3, rows: 9000, seed: 3, keys: 100_000)
        lists[1].swapAt(7999, 8000)
        let inventory = try TestInventory(texts: lists.map(Self.text), schema: ListFileTests.schema)
        let error = #expect(throws: UnsortedInventory.self) { try inventory.read() }
        #expect(error?.file == "data/1.csv.gz")
        #expect(error?.line == 8001)
        Self.check(try inventory.read(sortExternally: true), lists)
    }

    @Test func tooManyOverlappingFilesCountAsUnsorted() throws {
        let lists = Self.lists(20, rows: 10, seed: 3, keys: 100)
        let inventory = try TestInventory(texts: lists.map(Self.text), schema: ListFileTests.schema)
        let error = #expect(throws: UnsortedInventory.self) { try inventory.read(mostOpenFiles: 10) }
        #expect(error?.file == nil)
    }

    @Test func shuffledRowsAreSortedInPassesAndLeaveNoFile() throws {
        var random = SeededGenerator(11)
        var lists = Self.lists(3, rows: 20000, seed: 11, keys: 30000)
        for index in lists.indices { lists[index].shuffle(using: &random) }
        let inventory = try TestInventory(texts: lists.map(Self.text), schema: ListFileTests.schema)
        Self.check(try inventory.read(sortExternally: true, memoryLimit: 1 << 19), lists)
        // Not even in the middle of it is there a name that a crash could leave behind.
        let rows = try inventory.open(sortExternally: true, memoryLimit: 1 << 19)
        #expect(try rows.next() != nil)
        #expect(try Files.names(in: inventory.directory.path).count == 3)
    }

    @Test func rowsThatOccurSeveralTimesStayTogether() throws {
        let lists = [["a", "b", "b", "c"], ["b", "b"], ["b"], []]
        let inventory = try TestInventory(texts: lists.map(Self.text), schema: ListFileTests.schema)
        Self.check(try inventory.read(), lists)
        Self.check(try inventory.read(sortExternally: true), lists)
    }

    @Test func anInventoryWithoutListFilesHasNoRows() throws {
        #expect(try TestInventory([[UInt8]]()).read().isEmpty)
        #expect(try TestInventory([[UInt8]]()).read(sortExternally: true).isEmpty)
    }

    @Test func aReaderCanStopAtAnyTime() throws {
        let lists = Self.lists(5, rows: 20000, seed: 1, keys: 1_000_000)
        let inventory = try TestInventory(texts: lists.map(Self.text), schema: ListFileTests.schema)
        for count in 0..<12 {
            let rows = try inventory.open(sortExternally: count % 4 == 3, memoryLimit: 16 << 20)
            for _ in 0..<count { _ = try rows.next() }
            if count % 2 == 0 {
                rows.cancel()
                #expect(throws: (any Error).self) { while try rows.next() != nil {} }
            }
        }
    }

    @Test(arguments: [false, true])
    func damageInTheLastFileIsReportedEveryTime(sorting: Bool) throws {
        var texts = (0..<5).map { file in Self.text((0..<5000).map { "k/\(1_000_000 + file * 5000 + $0)" }) }
        texts[4] += "nonsense\n"
        let inventory = try TestInventory(texts: texts, schema: ListFileTests.schema)
        let rows = try inventory.open(sortExternally: sorting)
        for _ in 0..<2 {
            #expect(
                sentence { while try rows.next() != nil {} }
                    == "list file 'data/4.csv.gz', line 5001: the row has 1 field, fewer than the 5 of the manifest's "
                    + "fileSchema; this inventory cannot be used, choose another date")
        }
    }

    @Test func asManyPathsAsListFilesAreNeeded() throws {
        let inventory = try TestInventory(texts: ["", ""], schema: ListFileTests.schema)
        let options = SortedInventory.Options(temporaryDirectory: "/tmp")
        #expect(
            sentence { _ = try SortedInventory(manifest: inventory.manifest, files: ["x"], options: options) }
                == "the manifest 'manifest.json' names 2 list files, but 1 were fetched; fetch them again")
    }
}
