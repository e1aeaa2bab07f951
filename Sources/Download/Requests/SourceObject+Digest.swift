import Basics
import Blobs
import Model
import S3

extension SourceObject {
    /// What the content has to match.
    ///
    /// - Parameters:
    ///   - parts: those of a multipart upload, as far as the server says.
    ///   - hasOpaqueETag: the server says that the ETag is not an MD5.
    func expectedDigest(parts: PartLayout? = nil, hasOpaqueETag: Bool) -> ExpectedDigest {
        if let replica {
            if let sha256 = replica.sha256 { return .sha256(sha256) }
            return .etag(want.etag, size: want.size, parts: replica.parts)
        }
        if hasOpaqueETags { return .nothing }
        if want.isOpaque || want.etag.verbatim != nil || hasOpaqueETag { return .sha256(nil) }
        return .etag(want.etag, size: want.size, parts: parts, isCertain: false)
    }

    /// What is said of an empty content. There is only one, so an ETag that is not its digest is none at all. Nil for a
    /// replica's blob that cannot be empty.
    func verdictOfNothing() throws -> ContentDigest.Verdict? {
        let digest = ContentDigest(expectedDigest(hasOpaqueETag: false))
        let verdict = try digest.verdict(needsSHA256: want.isFiledByVersion) { _ in }
        switch verdict {
        case .checked, .opaque: return verdict
        case .undecided, .wrong: return replica == nil ? .opaque(sha256: SHA256.digest([])) : nil
        }
    }

    /// Whether knowing the parts would help to check the content.
    func needsParts(_ description: ObjectDescription?) -> Bool {
        if etagIsOfParts(description) { return true }
        return replica == nil && want.etag.parts > 0 && description?.checksum?.parts == Int(want.etag.parts)
    }

    /// Whether a content of which nothing can be checked is right for that reason alone, as encrypted ones are.
    func acceptsUnchecked(_ description: ObjectDescription?) -> Bool {
        let isOpaque = want.isOpaque || want.etag.verbatim != nil || description?.isOpaque ?? false
        return replica == nil && isOpaque && !hasOpaqueETags
    }

    /// Whether the ETag is made of the MD5s of parts.
    func etagIsOfParts(_ description: ObjectDescription?) -> Bool {
        let isOpaque = hasOpaqueETags || want.isOpaque || description?.isOpaque ?? false
        return replica == nil && want.etag.parts > 0 && !isOpaque
    }

    /// Checks the content while it arrives in pieces.
    ///
    /// - Parameters:
    ///   - parts: those of a multipart upload, as far as the server says.
    ///   - certain: the same, where it was asked for each.
    ///   - description: what the server says of the object, if anything.
    func verifier(
        of partial: PartialBlob, _ parts: PartLayout?, certain: PartLayout?, _ description: ObjectDescription?,
        _ pool: WorkPool
    ) -> ContentVerifier {
        let expected = expectedDigest(parts: parts, hasOpaqueETag: description?.isOpaque ?? false)
        let rule = checksumRule(description, certain: certain, likely: parts)
        return ContentVerifier(partial, expected, needsSHA256: want.isFiledByVersion, rule, pool)
    }

    /// What is wrong with a content that does not match although it has arrived twice in the same form.
    ///
    /// - Parameter algorithm: of the source's checksum, if it is that which does not match.
    func lastingMismatch(_ algorithm: ChecksumAlgorithm?) -> String {
        if let algorithm { return algorithm.lastingMismatch }
        if replica != nil { return "its bytes are not those that were pushed" }
        return "its MD5 is not the ETag \(want.etag), and it came twice in the same form: either it is damaged at the "
            + "source, or this server's ETags are no MD5s. For such a server there is 'icecore sync --etags opaque'"
    }
}
