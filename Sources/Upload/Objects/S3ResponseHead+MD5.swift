import Basics
import S3

extension S3ResponseHead {
    /// The MD5 of what the server has, where its ETag is one.
    package var storedMD5: [UInt8]? {
        guard let etag, etag.utf8.count == 32, !hasOpaqueETag else { return nil }
        return Hex.decode(Array(etag.utf8))
    }

    /// Throws what makes the loop send again where the server stored something else than was sent.
    package func refuseOtherContent(than md5: [UInt8]) throws {
        if let storedMD5, storedMD5 != md5 {
            throw S3Failure.corrupt("the server received something else than was sent")
        }
    }
}
