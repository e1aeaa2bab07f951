import Basics
import Model

/// Lets a source's checksum decide where the ETag leaves a content undecided, or says nothing of it.
struct ChecksumRule: Sendable {
    let checksum: ContentChecksum
    /// Of the content, in bytes.
    let size: Int64
    /// The parts of the upload, each asked for; nil: not known.
    var certainParts: PartLayout?
    /// What they are by the length of the first one.
    var likelyParts: PartLayout?

    /// The verdict on a content, once the ETag has had its say.
    ///
    /// - Parameter again: reads the content once more.
    /// - Returns: `opaque` where the checksum fits, `wrong` where it does not, and `undecided` where it is one of parts
    ///   that are not known.
    func verdict(
        _ verdict: ContentDigest.Verdict, again: ContentDigest.Reading
    ) throws -> ContentDigest.Verdict {
        let sha256: [UInt8]?
        switch verdict {
        case .opaque(let known): sha256 = known
        case .undecided(let known): sha256 = known
        case .checked, .wrong: return verdict
        }
        var found: [UInt8] = []
        for layout in layouts {
            found = try value(layout, again)
            if found == checksum.value { return .opaque(sha256: try sha256 ?? ContentDigest.sha256(again)) }
        }
        if checksum.parts == nil || certainParts != nil { return .wrong(digest: found, by: checksum.algorithm) }
        return .undecided(sha256: sha256)
    }

    /// How the content may be divided, as far as the checksum is concerned; nil: not at all.
    private var layouts: [PartLayout?] {
        guard let count = checksum.parts else { return [nil] }
        if let certainParts { return [certainParts] }
        let usual = PartSizes.candidates(size: size, count: Int64(count)).map { PartLayout.even($0) }
        return (likelyParts.map { [$0] } ?? []) + usual.filter { $0 != likelyParts }
    }

    private func value(_ layout: PartLayout?, _ reading: ContentDigest.Reading) throws -> [UInt8] {
        var digest = ChecksumDigest(checksum.algorithm, parts: layout)
        try reading { digest.update($0) }
        let (value, parts) = digest.finalize()
        return parts == checksum.parts ?? 0 ? value : []
    }
}

extension SourceObject {
    /// What the source's checksum says of the content; nil where there is none.
    func checksumRule(
        _ description: ObjectDescription?, certain: PartLayout? = nil, likely: PartLayout? = nil
    ) -> ChecksumRule? {
        guard replica == nil, let checksum = description?.checksum else { return nil }
        return ChecksumRule(checksum: checksum, size: want.size, certainParts: certain, likelyParts: likely)
    }
}
