import Basics
import Model
import SQLite

/// The table `blob`: what the ETag of a content does not tell.
package final class BlobFacts {
    private let statement: Statement

    package init(_ connection: Connection) throws(IcecoreError) {
        statement = try connection.prepare("SELECT sha256, partSize FROM blob WHERE etag = ?1 AND size = ?2")
    }

    /// The SHA-256 that an opaque content is stored under, and the part size of a multipart upload; nil if the index
    /// has none.
    package func find(etag: ETag, size: Int64) throws -> (sha256: [UInt8]?, partSize: Int64?) {
        let text = Array(etag.description.utf8)
        return try text.withUnsafeBytes { bytes in
            statement.bind(text: bytes, 1)
            statement.bind(2, size)
            defer { statement.reset() }
            guard try statement.step() else { return (nil, nil) }
            return (
                statement.isNull(0) ? nil : Array(statement.bytes(0)),
                statement.isNull(1) ? nil : statement.integer(1)
            )
        }
    }
}
