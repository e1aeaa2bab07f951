import Basics
import Model
import SQLite

/// The table `blob`: what the ETag of a content does not tell.
package final class BlobFacts {
    private let connection: Connection
    private let statement: Statement
    /// Reads the parts that are not of one size; nil as long as the index has no column for them: no program that writes it
    /// has opened it since there is one.
    private var parts: Statement?

    package init(_ connection: Connection) throws(IcecoreError) {
        self.connection = connection
        statement = try connection.prepare("SELECT sha256, partSize FROM blob WHERE etag = ?1 AND size = ?2")
    }

    /// The SHA-256 that an opaque content is stored under, and the parts of a multipart upload; nil if the index has none.
    package func find(etag: ETag, size: Int64) throws -> (sha256: [UInt8]?, parts: PartLayout?) {
        let text = Array(etag.description.utf8)
        return try text.withUnsafeBytes { bytes in
            statement.bind(text: bytes, 1)
            statement.bind(2, size)
            defer { statement.reset() }
            guard try statement.step() else { return (nil, nil) }
            if !statement.isNull(0) { return (Array(statement.bytes(0)), nil) }
            if !statement.isNull(1) {
                let partSize = statement.integer(1)
                return (nil, partSize > 0 ? .even(partSize) : nil)
            }
            return (nil, try unevenParts(etag, size, bytes))
        }
    }

    private func unevenParts(_ etag: ETag, _ size: Int64, _ text: UnsafeRawBufferPointer) throws -> PartLayout? {
        guard etag.parts > 0 else { return nil }
        let statement: Statement
        if let parts {
            statement = parts
        } else {
            guard try connection.knowsParts() else { return nil }
            statement = try connection.prepare("SELECT parts FROM blob WHERE etag = ?1 AND size = ?2")
            parts = statement
        }
        statement.bind(text: text, 1)
        statement.bind(2, size)
        defer { statement.reset() }
        guard try statement.step(), !statement.isNull(0) else { return nil }
        return PartLayout(recorded: Array(statement.bytes(0)), size: size, count: etag.parts)
    }
}

extension Connection {
    /// Passes every fact of the table `blob` to `body`, in the order of the ETags.
    package func forEachFact(_ body: (BlobFact) throws -> Void) throws {
        let parts = try knowsParts() ? "parts" : "NULL"
        let select = try prepare("SELECT etag, size, sha256, partSize, \(parts) FROM blob ORDER BY etag, size")
        var count = 0
        while try select.step() {
            count += 1
            if count & 0xFFF == 0 { try Interruption.check() }
            let (etag, size) = (ETag(Array(select.bytes(0))), select.integer(1))
            let layout: PartLayout? =
                if !select.isNull(3) {
                    select.integer(3) > 0 ? .even(select.integer(3)) : nil
                } else if !select.isNull(4) {
                    PartLayout(recorded: Array(select.bytes(4)), size: size, count: etag.parts)
                } else {
                    nil
                }
            let sha256 = select.isNull(2) ? nil : Array(select.bytes(2))
            if let fact = BlobFact(etag: etag, size: size, parts: layout, sha256: sha256) { try body(fact) }
        }
    }

    /// Whether the table `blob` has any rows.
    package func hasFacts() throws -> Bool {
        try prepare("SELECT 1 FROM blob LIMIT 1").step()
    }

    /// The number of its rows.
    package func factCount() throws -> Int64 {
        let count = try prepare("SELECT count(*) FROM blob")
        return try count.step() ? count.integer(0) : 0
    }
}
