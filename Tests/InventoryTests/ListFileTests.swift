import Basics
import Inventory
import Model
import Testing

@Suite("List files")
struct ListFileTests {
    static func row(_ key: String, _ size: Int = 1) -> String {
        "\"bucket\",\"\(key)\",\"\(size)\",\"2022-04-09T21:52:14.000Z\",\"d41d8cd98f00b204e9800998ecf8427e\"\n"
    }
    static let schema = "Bucket, Key, Size, LastModifiedDate, ETag"

    @Test("Rows are read as S3 means them", arguments: Fixture.all("golden"))
    func golden(_ fixture: Fixture) throws {
        let inventory = try TestInventory(texts: [fixture.content], schema: try #require(fixture.header["schema"]))
        // Sorting shows that the order of the fixture does not matter.
        let rows = try inventory.read(sortExternally: true).sorted { $0.line < $1.line }.map(\.text)
        #expect(rows == (fixture.header["row"] ?? "").split(separator: "\n").map(String.init))
    }

    @Test("Damaged rows are named by file and line", arguments: Fixture.all("should-fail"), [true, false])
    func refused(_ fixture: Fixture, sorting: Bool) throws {
        let inventory = try TestInventory(texts: [fixture.content], schema: try #require(fixture.header["schema"]))
        #expect(sentence { _ = try inventory.read(sortExternally: sorting) } == fixture.header["error"])
    }

    @Test("Several gzip members follow each other in one file, zeros pad its end")
    func members() throws {
        var list = (100..<400).flatMap { index in
            // A member may end anywhere in a row.
            let row = Self.row("k\(index)")
            let cut = row.index(row.startIndex, offsetBy: index % row.count)
            return gzip(String(row[..<cut])) + gzip(String(row[cut...]))
        }
        list += [0, 0, 0, 0]
        let rows = try TestInventory([list], schema: Self.schema).read()
        #expect(rows.map(\.key) == (100..<400).map { Array("k\($0)".utf8) })
    }

    @Test("A truncated list file is an error that names it", arguments: [1, 5, 9, 30, 200])
    func truncated(cut: Int) throws {
        let whole = gzip((100..<400).map { Self.row("k\($0)") }.joined())
        let list = Array(whole.dropLast(cut))
        #expect(
            sentence { _ = try TestInventory([list], schema: Self.schema).read() }
                == "list file 'data/0.csv.gz' is truncated: its gzip data end too early; fetch it again, or choose "
                + "another date")
    }

    @Test("What is no gzip, and what is empty, is an error that names it")
    func noGzip() throws {
        #expect(
            sentence { _ = try TestInventory([Array(Self.row("k").utf8)], schema: Self.schema).read() }
                == "list file 'data/0.csv.gz' is not valid gzip (incorrect header check); fetch it again, or choose "
                + "another date")
        #expect(
            sentence { _ = try TestInventory([[]], schema: Self.schema).read() }
                == "list file 'data/0.csv.gz' is empty, not even gzip; fetch it again, or choose another date")
    }

    @Test("A list file that is not the manifest's is an error, whatever it holds")
    func otherChecksum() throws {
        let right = gzip((100..<400).map { Self.row("k\($0)") }.joined())
        var wrong = right
        // The operating system's field of the header: the rows stay the same.
        wrong[9] ^= 1
        #expect(
            sentence { _ = try TestInventory([wrong], schema: Self.schema, claimed: [right]).read() }
                == "list file 'data/0.csv.gz' has the MD5 \(Hex.encode(MD5.digest(wrong))), but the manifest says "
                + "\(Hex.encode(MD5.digest(right))); fetch it again, or choose another date")
        #expect(
            sentence { _ = try TestInventory([wrong + [0]], schema: Self.schema, claimed: [right]).read() }
                == "list file 'data/0.csv.gz' has \(right.count + 1) bytes, but the manifest says \(right.count); fetch it "
                + "again, or choose another date")
        // What is wrong inside follows from the damage, which is what gets reported.
        let broken = gzip(Self.row("k") + "nonsense\n")
        #expect(
            sentence { _ = try TestInventory([broken], schema: Self.schema, claimed: [right]).read() }
                .hasPrefix("list file 'data/0.csv.gz' has \(broken.count) bytes, but"))
    }

    @Test("A list file that is not there is an error that names its path")
    func missing() throws {
        let inventory = try TestInventory(texts: [Self.row("k")], schema: Self.schema)
        try Files.remove(inventory.paths[0])
        #expect(
            sentence { _ = try inventory.read() }
                == "cannot open '\(inventory.paths[0])': No such file or directory")
    }

    @Test("A row of a mebibyte is read, a longer one is refused without filling memory")
    func longRows() throws {
        let filler = String(repeating: "x", count: (1 << 20) - 200)
        let schema = Self.schema + ", Novelty"
        let long = Self.row("k").dropLast() + ",\"\(filler)\"\n"
        let text = String(repeating: Self.row("a").dropLast() + ",\"\"\n", count: 3000) + long + long
        #expect(try TestInventory(texts: [text], schema: schema).read().count == 3002)
        let endless = Self.row("a").dropLast() + ",\"\"\n" + Self.row("b").dropLast() + ",\"" + filler + filler + filler
        for end in ["", "\"\n", filler] {
            #expect(
                sentence { _ = try TestInventory(texts: [endless + end], schema: schema).read() }
                    == "list file 'data/0.csv.gz', line 2: the row is longer than 1 MiB; this "
                    + "inventory cannot be used, choose another date")
        }
    }

    @Test("Bytes that are not UTF-8 are refused in keys, version ids and ETags")
    func notUTF8() throws {
        let schema = Self.schema + ", VersionId"
        for (column, bad) in [("Key", "K"), ("VersionId", "V"), ("ETag", "E")] {
            let good = "bucket,keyK,1,2022-04-09T21:52:14.000Z,etagE,versionV\n"
            var text = Array((good + good).utf8)
            #expect(try TestInventory([gzip(text)], schema: schema).read().count == 2)
            let place = try #require(text.lastIndex(of: Array(bad.utf8)[0]))
            text[place] = 0xE9
            let found = sentence { _ = try TestInventory([gzip(text)], schema: schema).read() }
            #expect(found.hasPrefix("list file 'data/0.csv.gz', line 2: \(column) '"))
            #expect(found.contains("' is not UTF-8"))
        }
    }

    @Test("A version id of 1,024 bytes is read, a longer one is refused")
    func longVersionIds() throws {
        func read(_ length: Int) throws -> [PlainRow] {
            let text = String(Self.row("k").dropLast()) + ",\"\(String(repeating: "v", count: length))\"\n"
            return try TestInventory(texts: [text], schema: Self.schema + ", VersionId").read()
        }
        #expect(try read(1024)[0].versionId.count == 1024)
        #expect(
            sentence { _ = try read(1025) }
                == "list file 'data/0.csv.gz', line 1: the VersionId is longer than 1024 bytes; this "
                + "inventory cannot be used, choose another date")
    }

    @Test("A key of 1024 bytes is read, a longer one is refused")
    func longKeys() throws {
        let key = String(repeating: "k", count: 1024)
        #expect(try TestInventory(texts: [Self.row(key)], schema: Self.schema).read()[0].key.count == 1024)
        let encoded = String(repeating: "%6B", count: 1024)
        #expect(try TestInventory(texts: [Self.row(encoded)], schema: Self.schema).read()[0].key.count == 1024)
        #expect(
            sentence { _ = try TestInventory(texts: [Self.row(key + "k")], schema: Self.schema).read() }
                == "list file 'data/0.csv.gz', line 1: the key is longer than 1024 bytes; this "
                + "inventory cannot be used, choose another date")
    }

    @Test("Any key and any way of quoting reads back", arguments: 1...20 as ClosedRange<UInt64>)
    func randomRows(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        var text: [UInt8] = []
        var expected: [[UInt8]] = []
        let pieces = ["a", "/", "é", "😀", "\0", "\n", "\r", ",", "\"", "%", "+", " ", "\u{7F}", "zarr/0/", "ÿ", "\\"]
        for number in 0..<3000 {
            let length = Int.random(in: 1...(number % 100 == 0 ? 400 : 12), using: &random)
            let key = (0..<length).flatMap { _ in Array((pieces.randomElement(using: &random) ?? "a").utf8) }
            expected.append(key)
            var field: [UInt8] = []
            let quoted = Bool.random(using: &random)
            for byte in key {
                let mustEncode = byte == UInt8(ascii: "%") || byte == UInt8(ascii: "+")
                let mustQuote = [10, 13, 34, 44].contains(byte)
                if byte == 32, Bool.random(using: &random) {
                    field.append(UInt8(ascii: "+"))
                } else if mustEncode || (mustQuote && !quoted) || Bool.random(using: &random) {
                    field += Array("%\(Hex.encode([byte]))".utf8)
                } else {
                    field += byte == 34 ? [34, 34] : [byte]
                }
            }
            if quoted { field = [34] + field + [34] }
            text += Array(Bool.random(using: &random) ? "bucket,".utf8 : "\"bucket\",".utf8) + field
            text += Array(",\(number),\"2022-04-09T21:52:14.000Z\",\"d41d8cd98f00b204e9800998ecf8427e\"".utf8)
            text += Bool.random(using: &random) ? [10] : [13, 10]
        }
        let inventory = try TestInventory([gzip(text)], schema: Self.schema)
        let rows = try inventory.read(sortExternally: true, memoryLimit: 2 << 20)
        #expect(rows.count == expected.count)
        for row in rows { #expect(row.key == expected[Int(row.size)]) }
        for (left, right) in zip(rows, rows.dropFirst()) {
            #expect(!right.key.lexicographicallyPrecedes(left.key))
        }
    }
}
