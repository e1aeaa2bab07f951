import Basics
import Testing
@testable import Download
@testable import Model

/// What is said of a content, whichever way its bytes come.
@Suite struct ContentDigestTests {
    private static let content = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    private static let size = Int64(content.count)

    private static func multipart(_ partSize: Int, _ content: [UInt8] = content) -> ETag {
        let parts = stride(from: 0, to: content.count, by: partSize).map {
            MD5.digest(Array(content[$0..<min(content.count, $0 + partSize)]))
        }
        return ETag(Array("\(Hex.encode(MD5.digest(parts.flatMap { $0 })))-\(parts.count)".utf8))
    }

    private static func plain(_ content: [UInt8] = content) -> ETag {
        ETag(Array(Hex.encode(MD5.digest(content)).utf8))
    }

    /// The verdict on the content that comes in pieces, and how often it was read once more.
    private static func verdict(
        _ expected: ExpectedDigest, needsSHA256: Bool = false, _ content: [UInt8] = content, piece: Int = 64
    ) throws -> (ContentDigest.Verdict, again: Int) {
        func pass(_ body: (UnsafeRawBufferPointer) -> Void) {
            for start in stride(from: 0, to: content.count, by: piece) {
                content[start..<min(content.count, start + piece)].withUnsafeBytes(body)
            }
        }
        var digest = ContentDigest(expected)
        pass { digest.update($0) }
        var again = 0
        let verdict = try digest.verdict(needsSHA256: needsSHA256) { body in
            again += 1
            pass(body)
        }
        return (verdict, again)
    }

    private static func isWrong(_ verdict: ContentDigest.Verdict) -> Bool {
        if case .wrong = verdict { true } else { false }
    }

    @Test(arguments: [1, 7, 64, 1000]) func aPlainETagIsTheMD5(piece: Int) throws {
        let expected = ExpectedDigest.etag(Self.plain(), size: Self.size)
        #expect(try Self.verdict(expected, piece: piece) == (.checked(parts: nil, sha256: nil), 0))
        let shorter = Array(Self.content.dropLast())
        #expect(try Self.verdict(expected, shorter).0 == .wrong(digest: MD5.digest(shorter)))
        let sha256 = SHA256.digest(Self.content)
        #expect(try Self.verdict(expected, needsSHA256: true) == (.checked(parts: nil, sha256: sha256), 1))
    }

    @Test(arguments: [1, 7, 300, 999, 1000, 5000]) func partsAreDividedWhereverTheBytesAre(partSize: Int) throws {
        let expected = ExpectedDigest.etag(Self.multipart(partSize), size: Self.size, parts: .even(Int64(partSize)))
        for piece in [1, 64, 300, 1000] {
            #expect(
                try Self.verdict(expected, piece: piece) == (.checked(parts: .even(Int64(partSize)), sha256: nil), 0))
        }
    }

    @Test func aPartSizeThatIsKnownDecides() throws {
        var damaged = Self.content
        damaged[500] ^= 1
        let expected = ExpectedDigest.etag(Self.multipart(300), size: Self.size, parts: .even(300))
        #expect(Self.isWrong(try Self.verdict(expected, damaged).0))
        // As many parts, but of another size.
        let other = ExpectedDigest.etag(Self.multipart(300), size: Self.size, parts: .even(260))
        #expect(Self.isWrong(try Self.verdict(other).0))
    }

    @Test func otherSizesAreTriedAfterOneThatIsUncertain() throws {
        // Equal shares of 1,000 bytes in 4 parts are among the usual sizes; 251 and 300 are not.
        let etag = Self.multipart(250)
        let wrong = ExpectedDigest.etag(etag, size: Self.size, parts: .even(300), isCertain: false)
        let (verdict, again) = try Self.verdict(wrong)
        #expect(verdict == .checked(parts: .even(250), sha256: nil) && again > 0)
        let unusual = ExpectedDigest.etag(Self.multipart(300), size: Self.size)
        #expect(try Self.verdict(unusual).0 == .undecided(sha256: nil))
    }

    @Test func partsOfAnySizesAreTried() throws {
        let parts: [Int64] = [400, 100, 1, 499]
        var digests: [UInt8] = []
        var start = 0
        for part in parts {
            digests += MD5.digest(Array(Self.content[start..<start + Int(part)]))
            start += Int(part)
        }
        let etag = ETag(Array("\(Hex.encode(MD5.digest(digests)))-4".utf8))
        let layout = try #require(PartLayout(sizes: parts, size: Self.size, count: 4))
        let expected = ExpectedDigest.etag(etag, size: Self.size, parts: layout)
        for piece in [1, 64, 400, 1000] {
            #expect(try Self.verdict(expected, piece: piece) == (.checked(parts: layout, sha256: nil), 0))
        }
        var damaged = Self.content
        damaged[500] ^= 1
        #expect(Self.isWrong(try Self.verdict(expected, damaged).0))
        #expect(Self.isWrong(try Self.verdict(expected, Array(Self.content.dropLast())).0))
        #expect(Self.isWrong(try Self.verdict(expected, Self.content + [0]).0))
        let uncertain = ExpectedDigest.etag(Self.multipart(250), size: Self.size, parts: layout, isCertain: false)
        #expect(try Self.verdict(uncertain).0 == .checked(parts: .even(250), sha256: nil))
    }

    @Test func anUploadOfNothingHasOneEmptyPart() throws {
        let etag = ETag(Array("\(Hex.encode(MD5.digest(MD5.digest([]))))-1".utf8))
        #expect(try Self.verdict(.etag(etag, size: 0), []).0 == .checked(parts: .even(1), sha256: nil))
    }

    @Test func whatNothingVouchesForIsUndecided() throws {
        let sha256 = SHA256.digest(Self.content)
        #expect(try Self.verdict(.nothing, needsSHA256: true) == (.undecided(sha256: sha256), 0))
    }

    @Test func anETagOfMorePartsThanBytesIdentifiesNothing() throws {
        let etag = ETag(Array("\(Hex.encode(MD5.digest([])))-1001".utf8))
        let expected = ExpectedDigest.etag(etag, size: Self.size)
        #expect(try Self.verdict(expected) == (.undecided(sha256: SHA256.digest(Self.content)), 0))
    }

    @Test func aSHA256IsComparedWhereItIsKnown() throws {
        let digest = SHA256.digest(Self.content)
        #expect(try Self.verdict(.sha256(nil)) == (.opaque(sha256: digest), 0))
        #expect(try Self.verdict(.sha256(digest)) == (.opaque(sha256: digest), 0))
        #expect(try Self.verdict(.sha256(MD5.digest([]))).0 == .wrong(digest: digest))
    }

    @Test func digestsThatWereComputedApartCount() throws {
        func matches(_ expected: ExpectedDigest, _ digests: [[UInt8]]) -> Bool {
            var digest = ContentDigest(expected)
            for part in digests { digest.append(part) }
            return digest.matches()
        }
        let parts = stride(from: 0, to: 1000, by: 300).map {
            MD5.digest(Array(Self.content[$0..<min(1000, $0 + 300)]))
        }
        let multipart = ExpectedDigest.etag(Self.multipart(300), size: Self.size, parts: .even(300))
        #expect(matches(multipart, parts))
        #expect(!matches(multipart, Array(parts.dropLast())))
        #expect(!matches(multipart, parts.reversed()))
        #expect(matches(.etag(Self.plain(), size: Self.size), [MD5.digest(Self.content)]))
    }
}
