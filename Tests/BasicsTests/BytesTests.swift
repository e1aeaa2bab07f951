import Testing

@testable import Basics

@Suite struct HexTests {
    @Test func encodesAndDecodesEveryByte() {
        let all = Array(UInt8.min...UInt8.max)
        let text = Hex.encode(all)
        #expect(text.hasPrefix("000102") && text.hasSuffix("fdfeff"))
        #expect(Hex.decode(Array(text.utf8)) == all)
        #expect(Hex.decode(Array(text.uppercased().utf8)) == all)
        #expect(Hex.encode([]) == "" && Hex.decode([]) == [])
    }

    @Test(arguments: ["0", "abc", "0g", "g0", " 0", "0 ", "+1", "-1", "0x", "\0\0", "é"])
    func refusesWhatIsNotHexadecimal(text: String) {
        #expect(Hex.decode(Array(text.utf8)) == nil)
    }

    @Test func knowsTheValueOfExactlyTwentyTwoDigits() {
        let known = (UInt8.min...UInt8.max).filter { Hex.value($0) != nil }
        #expect(known == Array("0123456789ABCDEFabcdef".utf8))
        #expect(Hex.value(UInt8(ascii: "f")) == 15 && Hex.value(UInt8(ascii: "F")) == 15)
    }
}

@Suite struct DigestTests {
    @Test func digestsOfNothingAndOfABC() {
        #expect(Hex.encode(MD5.digest([])) == "d41d8cd98f00b204e9800998ecf8427e")
        #expect(Hex.encode(MD5.digest(Array("abc".utf8))) == "900150983cd24fb0d6963f7d28e17f72")
        #expect(
            Hex.encode(SHA256.digest(Array("abc".utf8)))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test func piecesGiveTheSameDigest() {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var digest = MD5()
        var rest = bytes[...]
        var length = 1
        while !rest.isEmpty {
            rest.prefix(length).withUnsafeBytes { digest.update($0) }
            rest = rest.dropFirst(length)
            length += 7
        }
        #expect(digest.finalize() == MD5.digest(bytes))
    }
}

@Suite struct ByteOrderTests {
    private static func precedes(_ left: String, _ right: String) -> Bool {
        Array(left.utf8).withUnsafeBytes { left in
            Array(right.utf8).withUnsafeBytes { left.precedes($0) }
        }
    }

    @Test func theOrderIsThatOfBytes() {
        // In the order of keys in S3: by bytes, whatever a language makes of the characters.
        let inOrder = ["", "\0", "A", "a", "a\0", "a b", "a/", "a0", "ab", "e\u{301}", "\u{e9}", "\u{10000}"]
        for (place, left) in inOrder.enumerated() {
            for (other, right) in inOrder.enumerated() {
                #expect(Self.precedes(left, right) == (place < other), "\(left) and \(right)")
            }
        }
    }

    @Test func equalityAndPrefixes() {
        let text = Array("zarr/0.0".utf8)
        text.withUnsafeBytes { text in
            #expect(text.hasPrefix([]) && text.hasPrefix(Array("zarr/".utf8)) && text.hasPrefix(Array("zarr/0.0".utf8)))
            #expect(!text.hasPrefix(Array("zarr/0.0.".utf8)) && !text.hasPrefix(Array("a".utf8)))
            #expect(text.isEqual(to: text))
            #expect(!text.isEqual(to: UnsafeRawBufferPointer(rebasing: text[..<3])))
            #expect(!text.isEqual(to: UnsafeRawBufferPointer(start: nil, count: 0)))
        }
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        #expect(nothing.isEqual(to: nothing) && nothing.hasPrefix([]) && !nothing.hasPrefix([1]))
    }
}

@Suite struct JSONLineTests {
    @Test func quotesWhatJSONMustNotHoldAsItIs() {
        #expect(JSONLine.quoted("a\"b\\c\n\t\r\u{1}/é\u{7f}") == #""a\"b\\c\n\t\r\u0001/é"# + "\u{7f}\"")
    }

    @Test func anObjectIsOneLine() {
        var line = JSONLine()
        line.begin()
        line.add("key", text: Array("a\nb".utf8))
        line.add("size", 42)
        line.add("latest", true)
        line.addNull("versionId")
        line.add("etag", nil)
        line.end()
        #expect(
            String(decoding: line.bytes, as: UTF8.self)
                == #"{"key":"a\nb","size":42,"latest":true,"versionId":null,"etag":null}"# + "\n")
        line.begin()
        line.end()
        #expect(String(decoding: line.bytes, as: UTF8.self) == "{}\n")
    }
}

@Suite struct ErrorTests {
    @Test func exitStatusesFollowTheCode() {
        #expect(IcecoreError(.usage, "x").exitStatus == 64)
        #expect(IcecoreError(.incomplete, "x").exitStatus == 3)
        for code in [IcecoreError.Code.notFound, .busy, .damaged, .noSpace, .system, .interrupted, .unavailable] {
            #expect(IcecoreError(code, "x").exitStatus == 1)
        }
    }
}

@Suite struct CRCTests {
    /// By tables and by the processor's instruction: the same, wherever the bytes begin and end.
    @Test func theProcessorComputesTheSame() {
        var random = SystemRandomNumberGenerator()
        for length in Array(0..<70) + [1000, 4084, 65_537] {
            let bytes = (0..<length + 3).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
            for start in 0..<3 {
                var (fast, slow) = (CRC(.crc32c), CRC(.crc32c, usingInstruction: false))
                for part in [start..<start + length / 3, start + length / 3..<start + length] {
                    bytes[part].withUnsafeBytes { fast.update($0) }
                    bytes[part].withUnsafeBytes { slow.update($0) }
                }
                #expect(fast.value == slow.value, "\(length) bytes from \(start)")
            }
        }
    }

    private static func check(_ function: CRC.Function, _ bytes: [UInt8], piece: Int = .max) -> String {
        var crc = CRC(function)
        var rest = bytes[...]
        while !rest.isEmpty {
            rest.prefix(piece).withUnsafeBytes { crc.update($0) }
            rest = rest.dropFirst(piece)
        }
        return Hex.encode(crc.digest)
    }

    @Test func theCatalogueOfThemHasTheseValues() {
        let digits = Array("123456789".utf8)
        #expect(Self.check(.crc32, digits) == "cbf43926")
        #expect(Self.check(.crc32c, digits) == "e3069283")
        #expect(Self.check(.crc64nvme, digits) == "ae8b14860a799888")
        #expect(Self.check(.crc64nvme, []) == "0000000000000000" && Self.check(.crc32c, []) == "00000000")
        // Of RFC 3720 and of the NVMe specification.
        #expect(Self.check(.crc32c, Array(repeating: 0, count: 32)) == "8a9136aa")
        #expect(Self.check(.crc32c, Array(repeating: 255, count: 32)) == "62a8ab43")
        #expect(Self.check(.crc32c, Array(0..<32)) == "46dd794e")
        #expect(Self.check(.crc64nvme, Array(repeating: 0, count: 4096)) == "6482d367eb22b64e")
        #expect(Self.check(.crc64nvme, Array(repeating: 255, count: 4096)) == "c0ddba7302eca3ac")
    }

    @Test(arguments: [CRC.Function.crc32, .crc32c, .crc64nvme]) func piecesMakeNoDifference(function: CRC.Function) {
        for count in 0..<40 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            let whole = Self.check(function, bytes, piece: 1)
            for piece in [2, 3, 7, 8, 9, 16, 17, 40] { #expect(Self.check(function, bytes, piece: piece) == whole) }
        }
    }
}
