import S3
import Testing

@testable import Listing

/// What a page is asked to repeat of the one before it, and what its continuation shows.
@Suite struct PageSeamTests {
    private static func page(_ versions: [(key: String, id: String)], next: String = "") throws -> S3VersionPage {
        let entries = versions.map { ListingFilesTests.version($0.key, $0.id) }.joined()
        return try ListingFilesTests.page(next + entries, isTruncated: true)
    }

    private static func seam(_ versions: [(key: String, id: String)], next: String = "") throws -> PageSeam? {
        let page = try page(versions, next: next)
        return PageSeam(page, try #require(page.next))
    }

    private static func marker(_ key: String, _ id: String) -> S3ListingMarker {
        var marker = S3ListingMarker(after: Array(key.utf8))
        marker.versionId = Array(id.utf8)
        return marker
    }

    @Test func theNextPageBeginsOneVersionEarlier() throws {
        let within = try #require(try Self.seam([("a", "1"), ("k", "1"), ("k", "2"), ("k", "3")]))
        #expect(within.marker == Self.marker("k", "2") && within.key == Array("k".utf8))
        let between = try #require(try Self.seam([("a", "1"), ("b", "2"), ("j", "3"), ("k", "4")]))
        #expect(between.marker == Self.marker("j", "3"))
        // A null version is no marker to rely on, but of another key nothing is missing behind it.
        #expect(try Self.seam([("k", "1"), ("k", "2"), ("k", "null"), ("k", "4")])?.marker == Self.marker("k", "2"))
        #expect(try Self.seam([("a", "1"), ("b", "1"), ("j", "null"), ("k", "4")])?.marker == Self.marker("j", "null"))
    }

    @Test func nothingIsRepeatedWhereThatCannotBe() throws {
        #expect(try Self.seam([("k", "1"), ("k", "2"), ("k", "3")]) == nil)
        let name = "<NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>place 4</NextVersionIdMarker>"
        #expect(try Self.seam([("k", "1"), ("k", "2"), ("k", "3"), ("k", "4")], next: name) == nil)
        #expect(try Self.seam([("k", "1"), ("k", "2"), ("k", "4"), ("k", "4")]) == nil)
    }

    @Test func aPageShowsWhetherItGoesOn() throws {
        let seam = try #require(try Self.seam([("a", "1"), ("k", "1"), ("k", "2"), ("k", "3")]))
        func find(_ versions: (key: String, id: String)...) throws -> [Int] {
            let found = seam.find(in: try Self.page(versions))
            return [found.start, found.isSound ? 1 : 0]
        }
        #expect(try find(("k", "3"), ("k", "4"), ("l", "1")) == [1, 1])
        // The marker itself comes again; a key before it does; the key begins anew.
        #expect(try find(("k", "2"), ("k", "3"), ("l", "1")) == [0, 1])
        #expect(try find(("a", "1"), ("k", "3"), ("l", "1")) == [2, 1])
        #expect(try find(("k", "1"), ("k", "3"), ("k", "4")) == [0, 1])
        // The version has been deleted; and so has the rest, or the server has skipped it.
        #expect(try find(("k", "4"), ("l", "1")) == [0, 1])
        #expect(try find(("l", "1"), ("m", "1")) == [0, 0])
    }

    /// A key that is listed again is begun anew where it has a gap, but not for ever.
    @Test func aKeyIsListedAgainUntilItHasNoGap() throws {
        let relisting = KeyRelisting(Array("k".utf8))
        let first: [(key: String, id: String)] = [("k", "1"), ("k", "2"), ("k", "3"), ("k", "4")]
        #expect(try !relisting.add(Self.page(first)))
        #expect(relisting.marker == Self.marker("k", "3"))
        // Skipped: from the beginning.
        #expect(try !relisting.add(Self.page([("l", "1")])))
        #expect(relisting.marker == Self.marker("", ""))
        #expect(try !relisting.add(Self.page(first)))
        #expect(try relisting.add(Self.page([("k", "4"), ("k", "5"), ("l", "1")])))
        #expect(relisting.replacement.pages.map(\.rows.count) == [4, 1])

        let stuck = KeyRelisting(Array("k".utf8))
        #expect(throws: (any Error).self) { while try !stuck.add(Self.page(first)) {} }
    }
}
