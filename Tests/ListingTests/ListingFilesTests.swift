import Basics
import S3
import Testbed
import Testing

@testable import Listing

/// What a listing writes, and what it makes of pages.
@Suite struct ListingFilesTests {
    static func page(_ entries: String, isTruncated: Bool = false) throws -> S3VersionPage {
        try S3VersionPage(
            xml: Array(
                "<ListVersionsResult><IsTruncated>\(isTruncated)</IsTruncated>\(entries)</ListVersionsResult>".utf8))
    }

    static func version(_ key: String, _ id: String, isLatest: Bool = false, time: String = "2026-03-15T01:00:27.045Z")
        -> String
    {
        "<Version><Key>\(key)</Key><VersionId>\(id)</VersionId><IsLatest>\(isLatest)</IsLatest>"
            + "<LastModified>\(time)</LastModified><ETag>&quot;0cc175b9c0f1b6a831c399e269772661-2&quot;</ETag>"
            + "<Size>120</Size></Version>"
    }

    @Test func aLineIsAsAWSWritesIt() throws {
        let marker =
            "<DeleteMarker><Key>a b/ü+%</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>"
            + "<LastModified>1969-12-31T23:59:59Z</LastModified></DeleteMarker>"
        let page = try Self.page(marker + Self.version("b&quot;", "v,\"1", isLatest: true))
        for hasVersions in [true, false] {
            var lines = InventoryLines(bucket: "bucket", hasVersions: hasVersions)
            page.withBytes { bytes in
                for row in page.rows { lines.append(row, in: bytes) }
            }
            let text = String(decoding: lines.bytes, as: UTF8.self)
            let expected =
                hasVersions
                ? """
                "bucket","a+b/%C3%BC%2B%25","","true","true","","1969-12-31T23:59:59.000Z","","",""
                "bucket","b%22","v,""1","true","false","120","2026-03-15T01:00:27.045Z","0cc175b9c0f1b6a831c399e269772661-2","STANDARD","true"

                """
                : """
                "bucket","a+b/%C3%BC%2B%25","","1969-12-31T23:59:59.000Z","","",""
                "bucket","b%22","120","2026-03-15T01:00:27.045Z","0cc175b9c0f1b6a831c399e269772661-2","STANDARD","true"

                """
            #expect(text == expected)
        }
    }

    @Test func aKeyHasItsLatestFirstAndNothingTwice() throws {
        let first = try Self.page(Self.version("k", "old", time: "2026-03-14T01:00:00Z") + Self.version("k", "mid"))
        let second = try Self.page(
            Self.version("k", "mid") + Self.version("k", "new", isLatest: true, time: "2026-03-13T01:00:00Z"))
        var group = VersionGroup(key: Array("k".utf8))
        group.add(first, 0..<2)
        group.add(second.excerpt(0..<2), 0..<2)
        var ids: [String] = []
        group.forEach { row, bytes in ids.append(String(decoding: row.versionId.bytes(in: bytes), as: UTF8.self)) }
        #expect(ids == ["new", "mid", "old"])
    }

    /// Versions of a key that has very many are written as they come, each once.
    @Test func manyVersionsOfAKeyAreNotHeld() throws {
        try Testbed.withDirectory { directory in
            var pieces: [ListedPiece] = []
            var output = RangeOutput(
                from: [], lines: InventoryLines(bucket: "b", hasVersions: true), in: directory, mostHeld: 3,
                takeName: { ListedPiece.name(1) }, record: { pieces.append($0) })
            for start in stride(from: 0, to: 20, by: 2) {
                // The last of each page comes again.
                let entries = (start...start + 2).map { Self.version("k", "v\($0)", isLatest: $0 == 0) }
                try output.add(Self.page(entries.joined()), 0..<3, [])
            }
            let again = KeyReplacement(key: Array("k".utf8))
            #expect(throws: IcecoreError.self) { try output.add(Self.page(Self.version("l", "1")), 0..<1, [again]) }
            try output.finish(nil)
            #expect(pieces.map(\.rows) == [21])
        }
    }

    @Test func aSecondLatestIsNoticedAndARepeatedOneIsNot() throws {
        let one = try Self.page(Self.version("a", "1", isLatest: true) + Self.version("k", "2", isLatest: true))
        let again = try Self.page(Self.version("k", "2", isLatest: true) + Self.version("k", "1"))
        let other = try Self.page(Self.version("k", "1", isLatest: true) + Self.version("l", "1", isLatest: true))
        let none = try Self.page(Self.version("k", "1") + Self.version("k", "0"))
        let k = Array("k".utf8)
        func doubtful(_ pages: S3VersionPage...) -> [[UInt8]] {
            var watch = LatestWatch()
            return pages.enumerated().flatMap { place, page in
                watch.pass(page, page.rows.indices, isLast: place == pages.count - 1)
            }
        }
        #expect(doubtful(one, again) == [])
        #expect(doubtful(one, other) == [k])
        #expect(doubtful(none, again) == [])
        #expect(doubtful(none, none) == [k])
        // Within one page, the server knows what it says.
        #expect(doubtful(none) == [])
    }

    @Test func whatIsWrittenDownIsReadAgain() throws {
        let piece = ListedPiece(
            range: KeyRange(lower: Array("a b".utf8), upper: [0, 255]), file: ListedPiece.name(7), rows: 3, size: 99,
            md5: MD5.digest([]))
        let read = try #require(ListedPiece(piece.line))
        #expect(read.range == piece.range && read.rows == 3 && read.size == 99 && read.md5 == piece.md5)
        #expect(read.file == "range-000007.csv.gz")
        let last = ListedPiece(range: KeyRange(lower: [], upper: nil), file: nil, rows: 0, size: 0, md5: [])
        #expect(try #require(ListedPiece(last.line)).range == .everything)
        for cut in 0..<piece.line.utf8.count { #expect(ListedPiece(String(piece.line.prefix(cut))) == nil) }
        #expect(ListedPiece(piece.line.replacing("range-000007", with: "range-000008")) == nil)
        #expect(ListedPiece.number(of: "range-../x.csv.gz") == nil)
    }
}
