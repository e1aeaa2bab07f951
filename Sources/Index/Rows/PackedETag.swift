import Model

/// The bytes of an ETag as stored in a row, kept where pointers can borrow them.
package struct PackedETag {
    package var words: (UInt64, UInt64, UInt32)
    package let count: Int

    package init(_ etag: ETag) {
        words = (etag.high.bigEndian, etag.low.bigEndian, etag.parts.bigEndian)
        count = etag.parts == 0 ? 16 : 20
    }
}

extension ETag {
    /// The bytes of the column `etag`.
    package var bytesOfRow: [UInt8] {
        if let verbatim { return verbatim }
        let packed = PackedETag(self)
        return withUnsafeBytes(of: packed.words) { Array($0[..<packed.count]) }
    }
}
