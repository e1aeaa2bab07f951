import Basics
import CZlib
import Testing

@testable import Inventory

/// ORC files that are damaged, hostile, or of a kind that is not read: a sentence each.
@Suite struct ORCDamageTests {
    private static let keys = [WantedColumn(name: "Key", kind: .text)]

    private func problem(_ file: HostileORC, _ wanted: [WantedColumn] = keys) throws -> String? {
        try orcDamage(file.bytes, wanted)?.problem
    }

    @Test func whatIsNotReadIsRefusedByName() throws {
        let supported = "which Icecore does not read: it reads ZLIB, Snappy and uncompressed"
        for name in ["ZSTD", "LZ4"] {
            let damage = try orcDamage(ORCSamples.bytes("refused-\(name)"))
            #expect(damage?.problem == "is compressed with \(name), \(supported)")
            #expect(damage?.isUnsupported == true)
        }
        #expect(try problem(HostileORC(compression: 3)) == "is compressed with LZO, \(supported)")
        let zone = try orcDamage(ORCSamples.bytes("refused-zone"))
        #expect(
            zone?.problem
                == "has times of the time zone 'Europe/Berlin', and Icecore reads only those of UTC, in column "
                + "'last_modified_date' of stripe 1")
        #expect(zone?.isUnsupported == true)
        let nested = [WantedColumn(name: "list", kind: .text)]
        #expect(
            try orcDamage(ORCSamples.bytes("others"), nested)?.problem
                == "has a column 'list' of type array, and Icecore reads only text there")
        let times = [WantedColumn(name: "size", kind: .time)]
        #expect(
            try orcDamage(ORCSamples.bytes("one"), times)?.problem
                == "has a column 'size' of type bigint, and Icecore reads only times there")
        #expect(
            try orcDamage(ORCSamples.bytes("one"), [WantedColumn(name: "colour", kind: .text)])?.problem
                == "has none of the columns of an inventory")
    }

    @Test func anythingElseIsNotORC() throws {
        #expect(try orcDamage([])?.problem == "is empty, not even ORC")
        #expect(
            try orcDamage(Array("bucket,key,size,and so on\n".utf8))?.problem
                == "is not ORC, or truncated: it does not end with a postscript")
        var file = try ORCSamples.bytes("one")
        file[0] = UInt8(ascii: "P")
        #expect(try orcDamage(file)?.problem == "does not begin as ORC does")
    }

    @Test func lengthsThatMakeNoSenseTakeNoMemory() throws {
        var file = HostileORC()
        file.streams = [(1, [1, 2, 3]), (2, [0x0a, 0x27, 0x10])]
        file.claimed = [1 << 62, 3]
        #expect(try problem(file) == "has a stream that ends behind its stripe in stripe 1")
        file.claimed = nil
        file.rowCount = 1 << 40
        #expect(try problem(file) == "has a stripe 1 of 1099511627776 rows")
        file.rowCount = 5
        #expect(
            try problem(file) == "has a stream that ends too early in column 'key' of stripe 1 (rows 1 to 5)")
        // A text of 2^56 - 1 bytes.
        file.streams = [(1, [1, 2, 3]), (2, [0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])]
        #expect(
            try problem(file)
                == "has a text of 72057594037927935 bytes in column 'key' of stripe 1 (row 1)")
        // A run of 512 texts of 64 KiB each: 32 MiB.
        file.rowCount = 512
        file.streams = [(1, [1, 2, 3]), (2, [0xc1, 0xff, 0x80, 0x80, 0x04, 0])]
        #expect(
            try problem(file)
                == "has texts of together 33554432 bytes in column 'key' of stripe 1 (rows 1 to 512)")
        file.rowCount = 3
        file.encoding = (3, 1 << 50)
        #expect(
            try problem(file) == "has a dictionary of 1125899906842624 texts in column 'key' of stripe 1")
        file.encoding = (3, 60_000_000)
        #expect(
            try problem(file) == "has a stream that ends too early in column 'key' of stripe 1 (rows 1 to 3)")
        file.encoding = (3, 2)
        file.streams = [(1, [0x00, 7]), (3, Array("ab".utf8)), (2, [0xff, 1, 1])]
        #expect(try problem(file)?.hasSuffix("in column 'key' of stripe 1 (rows 1 to 3)") == true)
        file.streams = [(1, [0x00, 7]), (3, Array("abc".utf8)), (2, [0x00, 1])]
        #expect(
            try problem(file)
                == "has a text that is number 7 of a dictionary of 2 in column 'key' of stripe 1 (row 1)")
        file.rowCount = 2
        file.streams = [(1, [0x00, 0]), (3, Array("abc".utf8)), (2, [0x00, 1])]
        #expect(try problem(file) == "has more values than rows in column 'key' of stripe 1 (rows 1 to 2)")
    }

    @Test func aDecompressionBombIsRefused() throws {
        var file = HostileORC(compression: 1)
        let bomb = deflated([UInt8](repeating: 0, count: 7 << 20))
        let header = bomb.count << 1
        file.streams = [
            (1, [UInt8(header & 0xff), UInt8(header >> 8 & 0xff), UInt8(header >> 16)] + bomb),
            (2, HostileORC.block([0x00, 5, 5, 5])),
        ]
        file.rowCount = 3
        #expect(
            try problem(file)
                == "has a compressed block that is longer than the file says blocks are in column 'key' of stripe 1 "
                + "(rows 1 to 3)")
        file.blockSize = 1 << 40
        #expect(try problem(file) == "is compressed in blocks of 1099511627776 bytes; Icecore reads up to 16 MiB")
        // The footer, the same way.
        file = HostileORC(compression: 2)
        file.types = Array((0..<3).map { _ in HostileORC.field(99, [UInt8](repeating: 0, count: 100_000)) }.joined())
        #expect(try problem(file)?.hasPrefix("has a compressed block that is longer than") == true)
    }

    @Test func aMillionColumnsAreRefused() throws {
        var file = HostileORC()
        var row = HostileORC.field(1, 12)
        for number in 1...1_000_000 as ClosedRange<UInt64> { row += HostileORC.field(2, number) }
        for _ in 1...1_000_000 { row += HostileORC.field(3, Array("key".utf8)) }
        file.types = HostileORC.field(4, row)
        #expect(try problem(file) == "has more than 10000 columns, and so is no inventory")
        file.types = HostileORC.keys
        for _ in 1...1_000_000 { file.types += HostileORC.field(4, HostileORC.field(1, 7)) }
        #expect(try problem(file) == "has more than 10000 columns, and so is no inventory")
        file.types =
            HostileORC.field(
                4, HostileORC.field(1, 12) + HostileORC.field(2, 9) + HostileORC.field(3, Array("key".utf8)))
        #expect(try problem(file) == "has column 'key' as number 9 of 0")
    }

    @Test func twoColumnsOfOneMeaningAreRefused() throws {
        var file = HostileORC()
        file.types = HostileORC.field(
            4,
            HostileORC.field(1, 12) + HostileORC.field(2, 1) + HostileORC.field(2, 2)
                + HostileORC.field(3, Array("e_tag".utf8)) + HostileORC.field(3, Array("ETag".utf8)))
        file.types += HostileORC.field(4, HostileORC.field(1, 7)) + HostileORC.field(4, HostileORC.field(1, 7))
        #expect(
            try problem(file, ORCSamples.columns("ETag"))
                == "has both 'e_tag' and 'ETag', columns of one meaning")
    }

    /// Wherever a file is cut or changed, there is a sentence, or there are rows.
    @Test(arguments: ["order", "one", "all-null", "times-v1", "refused-zone", "long"])
    func damageAnywhereIsASentence(_ name: String) throws {
        let whole = try ORCSamples.bytes(name)
        var random = SeededGenerator(UInt64(whole.count))
        for _ in 0..<60 {
            let cut = Array(whole.prefix(Int.random(in: 0..<whole.count, using: &random)))
            let damage = try #require(try orcDamage(cut))
            #expect(!damage.problem.isEmpty)
        }
        for _ in 0..<300 {
            var changed = whole
            // The end of the file says most of what can go wrong.
            let from = Bool.random(using: &random) ? 0 : max(0, whole.count - 1000)
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                let place = Int.random(in: from..<whole.count, using: &random)
                changed[place] = UInt8.random(in: .min ... .max, using: &random)
            }
            if let damage = try orcDamage(changed) {
                #expect(damage.problem.utf8.count < 500)
                #expect(["has ", "is ", "does ", "needs ", "cannot "].contains { damage.problem.hasPrefix($0) })
            }
        }
    }

    /// Deflate's data without a header.
    private func deflated(_ bytes: [UInt8]) -> [UInt8] {
        // What gzip has in front is ten bytes, and behind it eight.
        Array(gzip(bytes).dropFirst(10).dropLast(8))
    }
}
