import Basics
import CZlib
import Testing

@testable import Inventory

/// Parquet files that are damaged, hostile, or of a kind that is not read: a sentence each.
@Suite struct ParquetDamageTests {
    private static let keys = [WantedColumn(name: "Key", kind: .text)]
    private let place = " in column 'key' of row group 1"

    private func problem(_ file: HostileParquet, _ wanted: [WantedColumn] = keys) throws -> String? {
        try parquetDamage(file.bytes, wanted)?.problem
    }

    @Test func theHostileFileCanBeRead() throws {
        var file = HostileParquet(pages: HostileParquet.page(2, HostileParquet.texts("a+b", "%41")), rowCount: 2)
        let lines = try ParquetFile(ColumnarSource(bytes: file.bytes), columns: Self.keys).lines(Self.keys)
        #expect(lines == [Array("a+b".utf8), Array("%41".utf8)])
        // Pages without rows, and of a kind that nobody knows.
        file.pages =
            HostileParquet.page(0, []) + HostileParquet.page(7, [1, 2, 3], kind: 1)
            + HostileParquet.page(0, [], kind: 9)
            + file.pages
        #expect(try parquetDamage(file.bytes, Self.keys) == nil)
    }

    // MARK: - What is not read

    @Test func whatIsNotReadIsRefusedByName() throws {
        let supported = "which Icecore does not read: it reads GZIP, Snappy and uncompressed,"
        for (name, written) in [("ZSTD", "ZSTD"), ("LZ4_RAW", "LZ4"), ("BROTLI", "BROTLI")] {
            let damage = try parquetDamage(ParquetSamples.bytes("refused-\(written)"))
            #expect(
                damage?.problem == "is compressed with \(name), \(supported) in column 'bucket' of row group 1")
            #expect(damage?.isUnsupported == true)
        }
        for (codec, name) in [(3, "LZO"), (5, "LZ4"), (17, "an unknown way (17)")] as [(Int64, String)] {
            #expect(try problem(HostileParquet(codec: codec)) == "is compressed with \(name), \(supported)\(place)")
        }
        let old = try parquetDamage(ParquetSamples.bytes("refused-INT96"))
        #expect(
            old?.problem
                == "has a column 'last_modified_date' of type INT96, and Icecore reads only times in INT64 there")
        #expect(old?.isUnsupported == true)
        let split = try parquetDamage(ParquetSamples.bytes("refused-split"))
        #expect(
            split?.problem
                == "has values in the encoding BYTE_STREAM_SPLIT, which Icecore does not read there, in column 'size' of "
                + "row group 1 (page 1)")
        #expect(split?.isUnsupported == true)
        let packed = HostileParquet(
            schema: [HostileParquet.column("key", repetition: 1)],
            pages: HostileParquet.page(1, [1] + HostileParquet.texts("a"), levels: 4))
        #expect(
            try problem(packed)
                == "has levels in the encoding BIT_PACKED, which Icecore does not read,\(place) (page 1)")
    }

    @Test func columnsOfOtherTypesAreRefusedByName() throws {
        let others = try ParquetSamples.bytes("others-1")
        for (name, type) in [
            ("decimal", "of type FIXED_LEN_BYTE_ARRAY (DECIMAL), and Icecore reads only text there"),
            ("double", "of type DOUBLE, and Icecore reads only text there"),
            ("date", "of type INT32 (DATE), and Icecore reads only text there"),
            ("list", "that is nested, and Icecore reads only flat ones"),
            ("row", "that is nested, and Icecore reads only flat ones"),
            ("map", "that is nested, and Icecore reads only flat ones"),
        ] {
            let damage = try parquetDamage(others, [WantedColumn(name: name, kind: .text)])
            #expect(damage?.problem == "has a column '\(name)' \(type)")
            #expect(damage?.isUnsupported == true)
        }
        for (name, kind, sentence) in [
            ("size", .time, "of type INT64, and Icecore reads only times in INT64 there"),
            ("key", .integer, "of type BYTE_ARRAY, and Icecore reads only whole numbers there"),
            ("key", .boolean, "of type BYTE_ARRAY, and Icecore reads only true and false there"),
        ] as [(String, WantedColumn.Kind, String)] {
            let wanted = [WantedColumn(name: name, kind: kind)]
            #expect(try parquetDamage(others, wanted)?.problem == "has a column '\(name)' \(sentence)")
        }
        let repeated = HostileParquet(schema: [HostileParquet.column("key", repetition: 2)])
        #expect(try problem(repeated) == "has a column 'key' that is nested, and Icecore reads only flat ones")
        #expect(
            try problem(HostileParquet(schema: [HostileParquet.column("key", type: 77)]))
                == "has a column 'key' of an unknown type")
        #expect(
            try problem(HostileParquet(schema: [HostileParquet.column("colour")]))
                == "has none of the columns of an inventory")
        let twice = HostileParquet(schema: [HostileParquet.column("e_tag"), HostileParquet.column("ETag")])
        #expect(
            try problem(twice, ParquetSamples.columns("ETag"))
                == "has both 'e_tag' and 'ETag', columns of one meaning")
    }

    @Test func whatIsEncryptedOrElsewhereIsRefused() throws {
        var file = HostileParquet(pages: HostileParquet.page(1, HostileParquet.texts("a")))
        file.beside = [.text(1, Array("other.parquet".utf8))]
        #expect(try problem(file) == "has its values in another file, which Icecore does not read,\(place)")
        file.beside = [.record(8, [.record(1, [])])]
        #expect(try problem(file) == "is encrypted, which Icecore does not read,\(place)")
        file.beside = []
        var bytes = file.bytes
        bytes[bytes.count - 1] = UInt8(ascii: "E")
        #expect(try parquetDamage(bytes)?.problem == "is encrypted, which Icecore does not read")
        #expect(try parquetDamage(bytes)?.isUnsupported == true)
    }

    @Test func anythingElseIsNotParquet() throws {
        #expect(try parquetDamage([])?.problem == "is empty, not even Parquet")
        for text in ["x", "PAR1PAR1", "bucket,key,size,and so on\n"] {
            #expect(
                try parquetDamage(Array(text.utf8))?.problem
                    == "is not Parquet, or truncated: it does not end with PAR1")
        }
        var file = try ParquetSamples.bytes("one")
        file[0] = UInt8(ascii: "O")
        #expect(try parquetDamage(file)?.problem == "does not begin as Parquet does")
        #expect(
            try parquetDamage(Array("PAR1\u{ff}\u{ff}PAR1PAR1".utf8))?.problem
                == "has a footer of 827474256 bytes, longer than the file")
    }

    // MARK: - What is damaged

    @Test func aFlippedByteIsFoundByTheChecksum() throws {
        for name in ["1-dictionary-snappy-groups", "2-plain-none-groups", "2-dictionary-gzip-groups"] {
            var bytes = try ParquetSamples.bytes(name)
            // The last byte of the first page.
            let header = try bytes[4...].withUnsafeBytes { try ParquetPageHeader($0) }
            #expect(header.checksum != nil)
            bytes[4 + header.headerLength + header.storedLength - 1] ^= 0x10
            let damage = try parquetDamage(bytes)
            #expect(
                damage?.problem
                    == "has a page that differs from its checksum in column 'bucket' of row group 1 (page 1)", "\(name)"
            )
        }
    }

    @Test func countsThatDoNotMatchAreRefused() throws {
        var file = HostileParquet(pages: HostileParquet.page(2, HostileParquet.texts("a", "b")))
        #expect(try problem(file) == "has more values than rows\(place) (page 1)")
        file.rowCount = 3
        #expect(try problem(file) == "has fewer values than rows\(place) (page 1)")
        file.pages += file.pages
        #expect(try problem(file) == "has more values than rows\(place) (page 2)")
        file.rowCount = 2
        #expect(try problem(file) == "has more values than rows\(place) (page 1)")
        file.valueCount = 4
        #expect(try problem(file) == "has 4 values for 2 rows\(place)")
        file.valueCount = nil
        file.pages = HostileParquet.page(2, HostileParquet.texts("a", "b", "c"))
        #expect(try problem(file) == "has a page with more values than it says\(place) (page 1)")
        file.pages = HostileParquet.page(2, HostileParquet.texts("a"))
        #expect(try problem(file) == "has a page that ends before its values do\(place) (page 1)")
        file.pages = HostileParquet.page(2, HostileParquet.texts("a") + [100, 0, 0, 0])
        #expect(try problem(file) == "has a text of 100 bytes, longer than its page\(place) (row 2)")
        file.pages = HostileParquet.page(-1, HostileParquet.texts("a"))
        #expect(try problem(file) == "has a page header with -1 where there should be a count\(place) (page 1)")
        file.rowCount = 1 << 40
        #expect(try problem(file) == "has a row group 1 of 1099511627776 rows")
        file.rowCount = -5
        #expect(try problem(file) == "has a footer that cannot be read")
    }

    @Test func dictionariesThatMakeNoSenseAreRefused() throws {
        let dictionary = HostileParquet.page(2, HostileParquet.texts("a", "bc"), kind: 2)
        var file = HostileParquet(pages: dictionary + HostileParquet.page(3, [3, 6, 7], encoding: 8), rowCount: 3)
        #expect(try problem(file) == "has a value that is number 7 of a dictionary of 2\(place) (row 1)")
        file.pages = dictionary + HostileParquet.page(3, [1, 6, 1], encoding: 8)
        #expect(try problem(file) == nil)
        file.pages = dictionary + HostileParquet.page(3, [40, 6, 1], encoding: 8)
        #expect(try problem(file) == "has numbers of a dictionary's of 40 bits\(place) (page 2)")
        file.pages = dictionary + HostileParquet.page(3, [1, 6, 9], encoding: 8)
        #expect(try problem(file) == "has a run of numbers that makes no sense\(place) (page 2)")
        file.pages = dictionary + HostileParquet.page(3, [1, 2, 1], encoding: 8)
        #expect(try problem(file) == "has a run of numbers that ends too early\(place) (page 2)")
        file.pages = HostileParquet.page(3, [1, 6, 1], encoding: 8)
        #expect(try problem(file) == "has numbers of a dictionary's that is not there\(place) (page 1)")
        file.pages = dictionary + dictionary
        #expect(try problem(file) == "has two dictionaries\(place) (page 2)")
        file.pages = HostileParquet.page(Int64(Int32.max), HostileParquet.texts("a"), kind: 2)
        #expect(try problem(file) == "has a page that ends before its values do\(place) (page 1)")
    }

    @Test func differencesThatMakeNoSenseAreRefused() throws {
        func problem(_ encoding: Int64, _ bytes: [UInt8]) throws -> String? {
            let file = HostileParquet(pages: HostileParquet.page(2, bytes, encoding: encoding), rowCount: 2)
            return try self.problem(file)
        }
        // A block of 128 numbers in 4 pieces, 2 numbers in all, the first of them 1; then they rise by 0.
        let two: [UInt8] = [0x80, 1, 4, 2, 2, 0, 0, 0, 0, 0]
        #expect(try problem(6, two + [65, 66]) == nil)
        #expect(try problem(6, two + [65]) == "has a page that ends before its values do\(place) (page 1)")
        #expect(try problem(6, two + [65, 66, 67]) == "has a page with more values than it says\(place) (page 1)")
        #expect(
            try problem(6, [0x80, 1, 4, 2, 1, 0, 0, 0, 0, 0, 65])
                == "has a text of 18446744073709551615 bytes\(place) (row 1)")
        for nonsense: [UInt8] in [
            [0, 4, 2, 2], [0x80, 1, 0, 2, 2], [0x80, 1, 3, 2, 2], [0xff, 0xff, 0xff, 0x7f, 4, 2, 2],
        ] {
            #expect(
                try problem(6, nonsense) == "has a block of differences that makes no sense\(place) (page 1)")
        }
        #expect(try problem(6, [0x80, 1, 4]) == "has a block of differences that ends too early\(place) (page 1)")
        #expect(
            try problem(6, [0x80, 1, 4, 2, 2, 0, 65, 0, 0, 0])
                == "has a block of differences that makes no sense\(place) (page 1)")
        // The first text shares a byte with the one before, of which there is none.
        #expect(try problem(7, two + two + [65, 66]) == "has a text that shares 1 bytes with one of 0\(place) (row 1)")
        let none: [UInt8] = [0x80, 1, 4, 2, 0, 0, 0, 0, 0, 0]
        #expect(try problem(7, none + two + [65, 66]) == nil)
        // Fewer lengths than values.
        #expect(
            try problem(6, [0x80, 1, 4, 1, 2, 65]) == "has fewer values in a page than it says\(place) (page 1)")
    }

    @Test func lengthsThatMakeNoSenseTakeNoMemory() throws {
        var file = HostileParquet(pages: HostileParquet.page(1, [], length: 1 << 30, stored: 4))
        #expect(try problem(file) == "has a page of 4 bytes, longer than its chunk\(place) (page 1)")
        file.pages = HostileParquet.page(1, [1, 2, 3, 4], length: 1 << 30, stored: 4)
        #expect(try problem(file) == "has a page of 1073741824 bytes; Icecore reads up to 64 MiB\(place) (page 1)")
        file.pages = HostileParquet.page(1, [1, 2, 3, 4], length: 1 << 20)
        #expect(try problem(file) == "has a page of 4 bytes that says that it has 1048576\(place) (page 1)")
        file.pages = [1, 2, 3, 4]
        #expect(try problem(file) == "has a page header that cannot be read\(place) (page 1)")
        file.chunkLength = 1 << 62
        #expect(try problem(file) == "has pages that do not lie in the file\(place)")
        file.chunkLength = nil
        file.dataStart = .max
        #expect(try problem(file) == "has pages that do not lie in the file\(place)")
        file.dataStart = 0
        #expect(try problem(file) == "has pages that do not lie in the file\(place)")
        // 4096 texts that share all of a megabyte: four gigabytes.
        file = HostileParquet(rowCount: 4096)
        let shared = Self.deltas([0] + [Int64](repeating: 1 << 20, count: 4095))
        let rest = Self.deltas([1 << 20] + [Int64](repeating: 0, count: 4095))
        file.pages = HostileParquet.page(
            4096, shared + rest + [UInt8](repeating: 65, count: 1 << 20), encoding: 7)
        #expect(try problem(file) == "has texts of together 4294967296 bytes\(place) (page 1)")
    }

    /// Numbers as DELTA_BINARY_PACKED has them; each difference in 64 bits.
    private static func deltas(_ numbers: [Int64]) -> [UInt8] {
        var bytes: [UInt8] = [0x80, 1, 4] + HostileParquet.varint(UInt64(numbers.count))
        bytes += HostileParquet.zigzag(numbers[0])
        let differences = zip(numbers.dropFirst(), numbers).map { $0 - $1 }
        for start in stride(from: 0, to: differences.count, by: 128) {
            bytes += [0, 64, 64, 64, 64]
            for index in start..<(start + 128) {
                let difference = index < differences.count ? differences[index] : 0
                bytes += (0..<8).map { UInt8(truncatingIfNeeded: difference >> (8 * Int64($0))) }
            }
        }
        return bytes
    }

    @Test func aDecompressionBombIsRefused() throws {
        let bomb = gzip([UInt8](repeating: 0, count: 7 << 20))
        var file = HostileParquet(pages: HostileParquet.page(1, bomb, length: 100_000), codec: 2)
        #expect(try problem(file) == "has a page that cannot be decompressed\(place) (page 1)")
        // Fewer bytes than are promised, and behind them something else.
        let texts = HostileParquet.texts("a")
        file.pages = HostileParquet.page(1, gzip(texts), length: 6)
        #expect(try problem(file) == "has a page that cannot be decompressed\(place) (page 1)")
        file.pages = HostileParquet.page(1, gzip(texts) + [1, 2, 3], length: 5)
        #expect(try problem(file) == "has a page that cannot be decompressed\(place) (page 1)")
        // Several members are as good as one.
        file.pages = HostileParquet.page(1, gzip(Array(texts[..<3])) + gzip(Array(texts[3...])), length: 5)
        #expect(try problem(file) == nil)
        file.codec = 1
        file.pages = HostileParquet.page(1, [0xff, 0xff, 0xff, 0xff, 0x0f, 0], length: 5)
        #expect(try problem(file) == "has a page that cannot be decompressed\(place) (page 1)")
        // Three dictionaries of 64 MiB together are too much.
        let large = gzip([UInt8](repeating: 0, count: 64 << 20), level: 1)
        file = HostileParquet(pages: HostileParquet.page(16 << 20, large, kind: 2, length: 64 << 20), codec: 2)
        #expect(try problem(file) == "needs more than 96 MiB of memory to be read\(place) (page 1)")
    }

    @Test func aMillionColumnsAreRefused() throws {
        let names = HostileParquet.column("key")
        var file = HostileParquet(schema: Array(repeating: names, count: 1_000_000))
        #expect(try problem(file) == "has more than 10000 columns, and so is no inventory")
        // Columns within columns, deeper than anyone would look.
        let nested = HostileParquet.record([.text(4, Array("a".utf8)), .number(5, 1)])
        let bytes = HostileParquet.file(
            [], [.number(1, 2), .list(2, Array(repeating: nested, count: 9999) + [names]), .number(3, 0), .list(4, [])])
        #expect(try parquetDamage(bytes, Self.keys)?.problem == "has none of the columns of an inventory")
        let deep = [UInt8](repeating: 0x1c, count: 100_000)
        #expect(
            try parquetDamage(Array("PAR1".utf8) + deep + [0xa0, 0x86, 1, 0] + Array("PAR1".utf8))?.problem
                == "has a footer that cannot be read")
        file = HostileParquet(schema: [names, HostileParquet.column("size"), nested])
        #expect(try problem(file) == "has columns that do not add up")
        let groups = Array(repeating: HostileParquet.record([.list(1, []), .number(3, 0)]), count: 3)
        let root = HostileParquet.record([.text(4, []), .number(5, 1)])
        #expect(
            try parquetDamage(
                HostileParquet.file([], [.list(2, [root, names]), .number(3, 0), .list(4, groups)]), Self.keys
            )?.problem == "has 0 columns where the file has 1 in row group 1")
    }

    // MARK: - Anywhere

    private static let beginnings = ["has ", "is ", "does ", "needs ", "cannot "]

    private func isSentence(_ problem: String) -> Bool {
        problem.utf8.count < 500 && Self.beginnings.contains { problem.hasPrefix($0) }
    }

    /// Without checksums, and with every bit that changes anything found by something else, or by nothing.
    @Test(arguments: ["small", "small-deltas"])
    func everyByteFlippedIsASentenceOrRows(_ name: String) throws {
        let whole = try ParquetSamples.bytes(name)
        let count = try ParquetSamples.expected(name).count
        for place in whole.indices {
            for flip in [0xff, 0x01] as [UInt8] {
                var changed = whole
                changed[place] ^= flip
                if let damage = try parquetDamage(changed) {
                    #expect(isSentence(damage.problem), "\(damage.problem)")
                } else {
                    let file = try ParquetFile(ColumnarSource(bytes: changed), columns: ParquetSamples.columns)
                    #expect((0..<file.groupCount).reduce(0) { $0 + file.rowCount(ofGroup: $1) } == count)
                }
            }
        }
    }

    @Test(arguments: ["one", "small-deltas", "2-plain-snappy-groups", "refused-ZSTD"])
    func damageAnywhereIsASentence(_ name: String) throws {
        let whole = try ParquetSamples.bytes(name)
        var random = SeededGenerator(UInt64(whole.count))
        for _ in 0..<200 {
            let cut = Array(whole.prefix(Int.random(in: 0..<whole.count, using: &random)))
            #expect(isSentence(try #require(try parquetDamage(cut)).problem))
        }
        for _ in 0..<300 {
            var changed = whole
            // The end of the file says most of what can go wrong.
            let from = Bool.random(using: &random) ? 0 : max(0, whole.count - 1000)
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                let place = Int.random(in: from..<whole.count, using: &random)
                changed[place] = UInt8.random(in: .min ... .max, using: &random)
            }
            if let damage = try parquetDamage(changed) { #expect(isSentence(damage.problem), "\(damage.problem)") }
        }
    }
}
