import Basics
import Testing
@testable import Download
@testable import Model

/// What a checksum says of a content, in parts and as a whole.
@Suite struct ChecksumRuleTests {
    private static let content = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

    private static func value(_ algorithm: ChecksumAlgorithm, _ parts: PartLayout?, piece: Int = 1000) -> [UInt8] {
        var digest = ChecksumDigest(algorithm, parts: parts)
        for start in stride(from: 0, to: content.count, by: piece) {
            content[start..<min(start + piece, content.count)].withUnsafeBytes { digest.update($0) }
        }
        return digest.finalize().value
    }

    private static func verdict(
        _ checksum: ContentChecksum, certain: PartLayout? = nil, likely: PartLayout? = nil
    ) throws -> ContentDigest.Verdict {
        let rule = ChecksumRule(
            checksum: checksum, size: Int64(content.count), certainParts: certain, likelyParts: likely)
        return try rule.verdict(.undecided(sha256: nil)) { body in content.withUnsafeBytes(body) }
    }

    private static let opaque = ContentDigest.Verdict.opaque(sha256: SHA256.digest(content))

    @Test(arguments: ChecksumAlgorithm.allCases, [1, 7, 64, 333, 1000]) func piecesMakeNoDifference(
        algorithm: ChecksumAlgorithm, piece: Int
    ) {
        for parts in [nil, .even(300), .uneven([1, 998, 1]), .even(1000)] as [PartLayout?] {
            #expect(Self.value(algorithm, parts, piece: piece) == Self.value(algorithm, parts))
            #expect(Self.value(algorithm, parts).count == algorithm.length)
        }
    }

    @Test(arguments: ChecksumAlgorithm.allCases) func aChecksumOfAllBytesDecides(algorithm: ChecksumAlgorithm) throws {
        let value = Self.value(algorithm, nil)
        #expect(try Self.verdict(ContentChecksum(algorithm, value: value)) == Self.opaque)
        var other = value
        other[0] ^= 1
        #expect(try Self.verdict(ContentChecksum(algorithm, value: other)) == .wrong(digest: value, by: algorithm))
    }

    @Test func aChecksumOfPartsDecidesOnceTheyAreKnown() throws {
        let parts = PartLayout.uneven([300, 500, 200])
        let value = Self.value(.crc32c, parts)
        let checksum = ContentChecksum(.crc32c, value: value, parts: 3)
        #expect(try Self.verdict(checksum, certain: parts) == Self.opaque)
        #expect(try Self.verdict(checksum, likely: parts) == Self.opaque)
        #expect(try Self.verdict(checksum) == .undecided(sha256: nil))
        #expect(try Self.verdict(checksum, likely: .even(400)) == .undecided(sha256: nil))
        let found = Self.value(.crc32c, .even(400))
        #expect(try Self.verdict(checksum, certain: .even(400)) == .wrong(digest: found, by: .crc32c))
        // An equal share is tried unasked.
        let even = ContentChecksum(.sha1, value: Self.value(.sha1, .even(334)), parts: 3)
        #expect(try Self.verdict(even) == Self.opaque)
        // One part, as a small upload has it.
        let one = ContentChecksum(.sha256, value: Self.value(.sha256, .even(1000)), parts: 1)
        #expect(try Self.verdict(one) == Self.opaque)
    }
}
