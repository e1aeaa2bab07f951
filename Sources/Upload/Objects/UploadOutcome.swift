import Basics
import S3

/// How an upload can end.
package enum UploadOutcome: Sendable {
    case done(MadeObject)
    /// The store's file is not what its name says, or cannot be read.
    case damaged(String)
}

/// What a server says of an object that it has made.
package struct MadeObject: Sendable {
    /// Without quotation marks; nil where the server does not say.
    package var etag: String?
    /// When, by the server's clock; nil where it does not say.
    package var time: Timestamp?
    /// The ETag is no digest, because of how the server encrypts the object.
    package var hasOpaqueETag = false

    package init(etag: String? = nil, time: Timestamp? = nil) {
        self.etag = etag
        self.time = time
    }

    package init(_ head: S3ResponseHead) {
        self.init(etag: head.etag, time: head.date)
        hasOpaqueETag = head.hasOpaqueETag
    }
}
