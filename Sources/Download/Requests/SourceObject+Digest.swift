import Blobs
import S3

extension SourceObject {
    /// What the content has to match.
    ///
    /// - Parameters:
    ///   - partSize: that of a multipart upload, if the server says it.
    ///   - hasOpaqueETag: the server says that the ETag is not an MD5.
    func expectedDigest(partSize: Int64? = nil, hasOpaqueETag: Bool) -> ExpectedDigest {
        if let replica {
            if let sha256 = replica.sha256 { return .sha256(sha256) }
            return .etag(want.etag, size: want.size, partSize: replica.partSize)
        }
        if want.isOpaque || want.etag.verbatim != nil || hasOpaqueETag { return .sha256(nil) }
        return .etag(want.etag, size: want.size, partSize: partSize)
    }

    /// Checks the content while it arrives in pieces.
    ///
    /// - Parameter description: what the server says of the object, if anything.
    func verifier(of partial: PartialBlob, _ description: ObjectDescription?, _ pool: WorkPool) -> ContentVerifier {
        let expected = expectedDigest(
            partSize: description?.partSize, hasOpaqueETag: description?.isOpaque ?? false)
        return ContentVerifier(partial, expected, needsSHA256: want.isFiledByVersion, pool)
    }
}
